"""Read the configuration files that people have: those for other verbs, and those that their own LightningCLI wrote."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from glo_lightning.checked import nearest
from glo_lightning.cli.shared_file import CLI
from glo_lightning.cli.verb import SECTIONS
from glo_lightning.errors import SettingsError

CLASSES = {
    "model": "my_project.MyModel",
    "data": "my_project.MyData",
    "optimizer": "torch.optim.Adam",
    "lr_scheduler": "torch.optim.lr_scheduler.StepLR",
}
"""Sections that describe an object, and how to name its class."""

RUNS = ("fit", "validate", "test", "predict")
"""Subcommands of a LightningCLI, under which a file may have all its sections."""

OF_A_RUN = ("ckpt_path", "weights_only", "verbose", "return_predictions")
"""What else a LightningCLI writes: arguments of these methods of the Trainer."""


def adapted(content: Any, verb: str, classes: Mapping[str, str], note: Callable[[str], None]) -> dict[str, Any]:
    """Return what a configuration file says to a verb; null means not set.

    Args:
        content: of the file.
        verb: reads its own section and leaves those of other verbs alone.
        classes: of the sections, where the command line names them.
        note: takes lines about what is not read.

    Raises:
        SettingsError: if there is something that nobody reads, or a section does not say which class it describes.

    Example:
        >>> adapted({"model": {"lr": 0.1}, "ckpt_path": "last.ckpt"}, "search", {"model": "mine.Net"}, print)
        ckpt_path is not read: every training begins afresh.
        {'model': {'class_path': 'mine.Net', 'init_args': {'lr': 0.1}}}
    """
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise SettingsError("a configuration with sections such as model, data and trainer", repr(content)[:100], WRITE)
    sections = {str(name): each for name, each in _unwrapped(content, note).items()}
    kept: dict[str, Any] = {}
    unnamed: dict[str, list[str]] = {}
    for name, each in sections.items():
        if each is None and name not in ("model", "data"):  # which ours would replace
            continue
        if name in OF_A_RUN:
            if each not in (False, True):
                note(f"{name} is not read: every training begins afresh.")
        elif name in (verb, "trainer") and not isinstance(each, Mapping):
            raise SettingsError(f"a section {name} with options", repr(each), WRITE)
        elif name in (verb, "trainer", "seed_everything"):
            kept[name] = each
        elif name in CLASSES:
            kept[name] = {"class_path": classes.get(name), "init_args": dict(each)} if _is_plain(each) else each
            if _is_plain(each) and name not in classes:
                unnamed[name] = list(map(str, each))
        elif name == CLI:
            raise SettingsError(
                f"--{CLI} {each} beside a file that is for this LightningCLI", "none", "Give it, too: search takes it."
            )
        elif name not in (*SECTIONS, "base"):
            raise _unknown(name, verb)
    if unnamed:
        names = " ".join(f"--{name} {example}" for name, example in CLASSES.items() if name in unnamed)
        raise SettingsError(
            f"the classes that sections describe: {', '.join(unnamed)}",
            f"their arguments alone: {', '.join(name for each in unnamed.values() for name in each)}",
            f"Name them as in {names}, or by class_path in the file.",
        )
    return kept


WRITE = "See --print_config for one that is complete."


def _unwrapped(content: Mapping[str, Any], note: Callable[[str], None]) -> Mapping[str, Any]:
    """Return the sections of a file that has them under subcommands, or of any other."""
    runs = {name: content[name] for name in RUNS if isinstance(content.get(name), Mapping)}
    if not runs:
        return content
    chosen = next(iter(runs))
    note(f"Reading what the configuration says under {chosen}.")
    outside = {name: each for name, each in content.items() if name not in (*RUNS, "subcommand")}
    return {**outside, **runs[chosen]}


def _is_plain(content: Any) -> bool:
    """Whether a section holds arguments alone, as where a LightningCLI knows the class."""
    return isinstance(content, Mapping) and bool(content) and not content.keys() & {"class_path", "init_args"}


def _unknown(name: str, verb: str) -> SettingsError:
    known = (*CLASSES, "trainer", verb, "base")
    meant = nearest(name, known)
    return SettingsError(
        f"sections out of {', '.join(known)}",
        repr(name),
        f"Did you mean {meant}?" if meant else f"Leave it out; what a LightningCLI of yours adds is not read. {WRITE}",
    )


def classes_of(arguments: Sequence[str]) -> dict[str, str]:
    """Return the classes that a command line names, by their sections.

    Example:
        >>> classes_of(["--model", "mine.Net", "--data=mine.Data", "--model.lr=1", "--optimizer={}"])
        {'model': 'mine.Net', 'data': 'mine.Data'}
    """
    pairs = [*pairwise(arguments), *(each.partition("=")[::2] for each in arguments)]
    named = {f"--{section}": section for section in CLASSES}
    return {named[name]: value for name, value in pairs if name in named and re.fullmatch(r"[A-Za-z_][\w.]*", value)}
