"""Read YAML that may be from anybody: no object is built, and a few lines cannot unfold into gigabytes."""

import re
from pathlib import Path
from typing import Any

import yaml

from glo_lightning.errors import SettingsError

MAX_LENGTH = 200_000
"""Characters of a text; the longest of this package's configurations has 2,000."""

MAX_VALUES = 20_000
"""Values, names included, that a text may have once its aliases are replaced by what they stand for."""

MAX_DEPTH = 50
"""Levels of lists and mappings within each other."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads 1e-3 as a number, as YAML 1.2 does, and dates as text."""


class _Dumper(yaml.SafeDumper):
    """Quotes text that the loader would read as a number, and escapes line breaks that it would read as others."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Write text."""
        style = '"' if set(data) & {"\x85", "\u2028", "\u2029"} else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)

_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
for _each in (_Loader, _Dumper):
    _each.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
    )


def write_yaml(value: Any) -> str:
    """Return plain values as YAML, which :func:`read_yaml` reads back.

    Example:
        >>> write_yaml({"study_name": "1e3", "sigma": 1000.0})
        "study_name: '1e3'\\nsigma: 1000.0\\n"
    """
    text: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False)
    return text


def read_yaml(text: str) -> Any:
    """Return the values of a YAML text.

    Raises:
        SettingsError: if it is no YAML, refers to itself, or is larger, deeper or longer than a configuration.

    Example:
        >>> read_yaml("search: {sigma: 1e-3, known: [baikal]}")
        {'search': {'sigma': 0.001, 'known': ['baikal']}}
        >>> read_yaml("a: &a {b: *a}")
        Traceback (most recent call last):
        glo_lightning.errors.SettingsError: Expected YAML, got an alias of itself: a. Write out what *a stands for.
    """
    require_ordinary(text)
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise SettingsError("YAML", " ".join(str(error).split()), "Mend what is there.") from None
    except ValueError as error:  # whole numbers of thousands of digits
        raise SettingsError("YAML of ordinary values", str(error), "Put text in quotes.") from None


def read_yaml_file(path: Path) -> Any:
    """Return the values of a YAML file.

    Raises:
        SettingsError: if it cannot be read, or as from :func:`read_yaml`, with its name.
    """
    try:
        if path.stat().st_size > MAX_LENGTH:
            raise _too_much(f"{path.stat().st_size} bytes")
        return read_yaml(path.read_text(encoding="utf-8"))
    except SettingsError as error:
        raise SettingsError(f"{error.expected} in {path}", error.got, error.cure) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else "bytes that are no text"
        raise SettingsError(f"a YAML file at {path}", reason, "Check the path.") from None


def require_ordinary(text: str) -> None:
    """Refuse a YAML text that would unfold into more than a configuration can be; one that is no YAML passes.

    Raises:
        SettingsError: if it does.
    """
    if len(text) > MAX_LENGTH:
        raise _too_much(f"{len(text)} characters")
    sizes: dict[str | None, tuple[int, int]] = {}  # of what anchors name: values, and levels
    open_nodes = [_Node(None)]
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                if event.anchor in [node.anchor for node in open_nodes]:
                    raise SettingsError(
                        "YAML", f"an alias of itself: {event.anchor}", f"Write out what *{event.anchor} stands for."
                    )
                open_nodes[-1].hold(sizes.get(event.anchor, (1, 0)), len(open_nodes))
            elif isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append(_Node(event.anchor))
            elif isinstance(event, yaml.ScalarEvent):
                sizes[event.anchor] = (1, 0)
                open_nodes[-1].hold((1, 0), len(open_nodes))
            elif isinstance(event, yaml.CollectionEndEvent):
                node = open_nodes.pop()
                sizes[node.anchor] = (node.values + 1, node.levels + 1)
                open_nodes[-1].hold(sizes[node.anchor], len(open_nodes))
    except yaml.YAMLError as error:
        if "maximum nesting" in str(error):
            raise _too_much("hundreds of levels") from None


class _Node:
    """A list or mapping that is being read."""

    def __init__(self, anchor: str | None) -> None:
        self.anchor = anchor
        self.values = self.levels = 0

    def hold(self, size: tuple[int, int], level: int) -> None:
        """Count something in it, of so many values and levels.

        Raises:
            SettingsError: if that is too much.
        """
        values, levels = size
        self.values += values
        self.levels = max(self.levels, levels)
        if self.values > MAX_VALUES:
            raise _too_much(f"aliases that stand for more than {MAX_VALUES} values")
        if level + levels > MAX_DEPTH:
            raise _too_much(f"more than {MAX_DEPTH} levels")


def _too_much(got: str) -> SettingsError:
    return SettingsError("YAML of the size of a configuration", got, "Leave out what is no option.")
