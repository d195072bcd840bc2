"""Say in one line what the parser says in many: which option or class is wrong, and which was probably meant."""

import importlib
import inspect
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from glo_lightning.checked import nearest
from glo_lightning.errors import SettingsError

HELP = "See --help, and --help=all for the Trainer's options."


def explained(message: str, known: Sequence[str]) -> SettingsError:
    """Return the error that a message of the parser stands for.

    Args:
        message: of jsonargparse, one or more lines.
        known: the names of all options, without dashes.

    Example:
        >>> print(explained("unrecognized arguments: --search.generation=3", ["search.generations"]))
        Expected an option of this command, got '--search.generation'. Did you mean --search.generations?
    """
    for pattern, explain in _KINDS:
        found = re.search(pattern, message)
        if found:
            return explain(found, message, known)
    return SettingsError("a command line that can be read", textwrap.shorten(message, 300), HELP)


def _unknown_option(found: re.Match[str], message: str, known: Sequence[str]) -> SettingsError:
    name = found["name"].lstrip("-")
    dashes = found["name"].removesuffix(name)
    group, dot, last = name.rpartition(".")
    beside = nearest(last, [each.rpartition(".")[2] for each in known if each.rpartition(".")[0] == group])
    meant = f"{group}{dot}{beside}" if beside else nearest(name, known)
    return SettingsError(
        "an option of this command", repr(found["name"]), f"Did you mean {dashes}{meant}?" if meant else HELP
    )


def _unknown_in_group(found: re.Match[str], message: str, known: Sequence[str]) -> SettingsError:
    meant = nearest(found["name"], [each.rpartition(".")[2] for each in known if each.startswith(f"{found['group']}.")])
    return SettingsError(
        f"an option of {found['group']}", repr(found["name"]), f"Did you mean {meant}?" if meant else HELP
    )


def _bad_class(found: re.Match[str], message: str, known: Sequence[str]) -> SettingsError:
    option, path, reason = f"--{_key(message)}", found["path"], " ".join(found["reason"].split())
    unknown = re.match(r"Option '([\w.]+)' is not accepted", reason)
    if unknown:
        meant = nearest(unknown[1], _arguments(path))
        cure = f"Did you mean {option}.{meant}?" if meant else f"See {option}.help={path}."
        return SettingsError(f"an argument of {path}", repr(unknown[1]), cure)
    inner = re.match(r'Parser key "([\w.]+)":\s*(.*)', reason)
    if inner:
        return _bad_value(f"{option}.{inner[1]}", inner[2], f"See {option}.help={path}.")
    if re.match(r"No module named|module .* has no attribute", reason):
        meant = _nearest_class(path)
        cure = f"Did you mean {option}={meant}?" if meant else "Check the name, and the folder to start from."
        return SettingsError(f"a class for {option}, by its import path", f"{path!r} ({reason})", cure)
    return SettingsError(f"{option}={path} to be made", textwrap.shorten(reason, 300), f"See {option}.help={path}.")


def _bad_name(found: re.Match[str], message: str, known: Sequence[str]) -> SettingsError:
    option = f"--{_key(message)}"
    section = option.rpartition(".")[2].removeprefix("--")
    package = {"optimizer": "torch.optim", "lr_scheduler": "torch.optim.lr_scheduler"}.get(
        section, "lightning.pytorch.callbacks"
    )
    meant = _nearest_class(f"{package}.{found['name']}")
    cure = f"Did you mean {meant}?" if meant else "Write it as in my_project.MyClass."
    return SettingsError(f"a class for {option}, by its import path", repr(found["name"]), cure)


def _bad_option(found: re.Match[str], message: str, known: Sequence[str]) -> SettingsError:
    return _bad_value(f"--{found['key']}", " ".join(message[found.end() :].split()))


def _no_value(found: re.Match[str], message: str, known: Sequence[str]) -> SettingsError:
    return SettingsError(f"a value for {found['name']}", "none", f"Write {found['name']}=VALUE.")


def _bad_value(option: str, reason: str, cure: str = HELP) -> SettingsError:
    got = re.search(r"(?:Got value: |Given value: )(.*)$", reason)
    kinds = re.findall(r"Expected (?:an? )?(?:<class '([\w.]+)'>|typing\.Literal\[(.*?)\])", reason)
    wanted = [name or choices.replace("'", "") for name, choices in kinds if name != "NoneType"]
    if not got or not wanted:
        return SettingsError(f"a value that fits {option}", textwrap.shorten(reason, 300), cure)
    return SettingsError(f"{option} as {' or '.join(dict.fromkeys(wanted))}", repr(got[1][:100]), cure)


def _missing(found: re.Match[str], message: str, known: Sequence[str]) -> SettingsError:
    name = found["name"]
    loaders = " What a model loads by itself goes into a data module." if name == "data" else ""
    return SettingsError(
        f"a class for --{name}", "null", f"Name yours: --{name} my_project.My{name.capitalize()}.{loaders}"
    )


_KINDS = (
    (r"required: (?P<name>model|data)", _missing),
    (r"unrecognized arguments: (?P<name>[^\s=]+)", _unknown_option),
    (r"^Option '(?P<name>[\w.]+)' is not accepted", _unknown_option),
    (r"Group '(?P<group>[\w.]+)' does not accept option '(?P<name>[\w.]+)'", _unknown_in_group),
    (r"argument (?P<name>--[\w.]+): expected", _no_value),
    (r"given class_path '(?P<path>[^']+)':\n(?P<reason>(?:\s{6,}.*\n?)+)", _bad_class),
    (r"Expected a dot import path string: (?P<name>\w+)", _bad_name),
    (r'Parser key "(?P<key>[\w.]+)":', _bad_option),
)
"""What messages look like, the most telling first."""


def _key(message: str) -> str:
    found = re.search(r'Parser key "([\w.]+)":', message)
    return found[1] if found else "model"


def _arguments(path: str) -> list[str]:
    module, _, name = path.rpartition(".")
    try:
        return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    except (ImportError, AttributeError, ValueError, TypeError):
        return []


def _nearest_class(path: str) -> str | None:
    """Return the import path that was probably meant: another class of the module, or another module beside it."""
    module, _, name = path.rpartition(".")
    try:
        names = dir(importlib.import_module(module))
    except ImportError:
        here = [file.stem for file in Path().glob("*.py")] + [file.parent.name for file in Path().glob("*/__init__.py")]
        meant = nearest(module, here)
        return f"{meant}.{name}" if meant else None
    meant = nearest(name, [each for each in names if each[0].isupper()])
    return f"{module}.{meant}" if meant else None
