"""LightningCLI's parser, which reads YAML safely and says in one line what it cannot read."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import yaml
from jsonargparse import Namespace, get_loader, set_dumper, set_loader
from lightning.pytorch.cli import LightningArgumentParser

from glo_lightning.cli.foreign import adapted, classes_of
from glo_lightning.cli.refusals import explained
from glo_lightning.errors import GloError, SettingsError
from glo_lightning.safe_yaml import read_yaml, require_ordinary, write_yaml

MODE = "safe_yaml"
"""What this package's way to load values is registered as; other parsers keep theirs."""


class TaskParser(LightningArgumentParser):
    """Raises a GloError where its base prints pages and ends the process.

    Attributes:
        verb: whose configuration files are read; empty in the parsers of classes, which this one makes for itself.
        classes: of the sections of a configuration, where the command line names them.
        notes: lines about what was not read.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        set_loader(MODE, _load, (yaml.YAMLError,))
        set_dumper(MODE, write_yaml)
        super().__init__(*args, **{**kwargs, "parser_mode": MODE, "allow_abbrev": False})
        self.verb = ""
        self.classes: Mapping[str, str] = {}
        self.notes: list[str] = []

    def parse_args(self, args: Sequence[str] | None = None, *others: Any, **kwargs: Any) -> Namespace:  # type: ignore[override]
        """Read a command line, which may name the classes that its configuration files leave out."""
        self.classes = classes_of(args or ())
        parsed: Namespace = super().parse_args(args, *others, **kwargs)
        return parsed

    def parse_string(self, content: str, path: Any = "", *args: Any, **kwargs: Any) -> Namespace:
        """Read a configuration."""
        if self.verb:
            try:
                content = write_yaml(adapted(read_yaml(content), self.verb, self.classes, self._note))
            except SettingsError as error:
                place = f" in {path}" if path else ""
                raise SettingsError(error.expected + place, error.got, error.cure) from None
        parsed: Namespace = super().parse_string(content, path, *args, **kwargs)
        return parsed

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Refuse a command line or a configuration file."""
        if not self.exit_on_error:
            super().error(message, ex)
        cause: BaseException | None = ex
        while cause is not None:
            if isinstance(cause, GloError):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        raise explained(message, list(self.get_defaults().keys())) from None

    def _note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)


def _load(text: str) -> Any:
    require_ordinary(text)
    return get_loader("yaml")(text)
