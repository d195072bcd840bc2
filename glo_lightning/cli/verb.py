"""What the verbs that train have in common on the command line. Imports nothing heavy: ``--help`` reads it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from jsonargparse import ArgumentParser

from glo_lightning.checked import default_of, described, hints_of, limits_of
from glo_lightning.cli.explained import explanations
from glo_lightning.cli.settings import Settings
from glo_lightning.errors import SettingsError
from glo_lightning.options import option, options_of
from glo_lightning.plain_parser import PlainParser
from glo_lightning.safe_yaml import read_yaml

SettingsT = TypeVar("SettingsT", bound=Settings)

SECTIONS = ("search", "train", "compare", "robustness", "landscape")
"""The verbs' own sections of a configuration file. Every verb accepts all of them and reads its own."""

OPTIONS = """\
  --model, --data CLASS    a LightningModule and a LightningDataModule of yours, by import path
  --model.help CLASS       the options of a class; --data.help likewise
  --trainer.OPTION VALUE   any argument of lightning.Trainer, e.g. --trainer.max_epochs=3
  --config FILE            a YAML file with sections model, data, trainer and {section}; several are
                           read in turn, and each may name files to start from under "base"
  --print_config           write such a file with the values in force
  --debug                  show the traceback of an error
  --help=all               every option of the Trainer, too
"""


@dataclass(frozen=True)
class Verb(Generic[SettingsT]):
    """A verb that trains the model, data and Trainer of a command line.

    Args:
        section: its name, and that of its own options; one of ``SECTIONS``.
        settings: dataclass of its own options.
        heading: above those of these options that have no section of their own in the help.
        introduction: below them, one or more lines.
        shorthands: own options that may be given without their section, and what the usage calls their values;
            with dots behind for several.
        name: what it is called where that is not the name of its section.
    """

    section: str
    settings: type[SettingsT]
    heading: str
    introduction: str
    shorthands: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    @property
    def room(self) -> str:
        """The folder of the package that it is in."""
        return self.name or self.section

    @property
    def program(self) -> str:
        """What to call it by."""
        return f"python -m glo_lightning.{self.room}"

    @property
    def usage(self) -> str:
        """How to call it, in one line."""
        shorthands = "".join(f"[--{name} {value}] " for name, value in self.shorthands.items())
        return (
            f"{self.program} {shorthands}[--config FILE] "
            f"[--{self.section}.* --model.* --data.* --trainer.*] [--print_config]"
        )

    def spell_out(self, arguments: Sequence[str]) -> list[str]:
        """Return a command line with all shorthands spelled out, at its end.

        Example:
            >>> verb = Verb("compare", Settings, "", "", {"losses": "LOSS ..."})
            >>> verb.spell_out(["--losses", "baikal", "mse", "--config", "mine.yaml"])
            ['--config', 'mine.yaml', '--compare.losses=["baikal", "mse"]']
        """
        parser = PlainParser(self.section, add_help=False)
        for name, value in self.shorthands.items():
            parser.add_argument(f"--{name}", nargs="+" if value.endswith("...") else None)
        short, rest = parser.parse_known_args(arguments)
        given = {name: value for name, value in vars(short).items() if value is not None}
        return [*rest, *(f"--{self.section}.{name}={self._text(name, value)}" for name, value in given.items())]

    def _text(self, name: str, value: str | list[str]) -> str:
        if isinstance(value, str):
            return value
        (element, *_) = get_args(hints_of(self.settings).get(name)) or (str,)
        return json.dumps(value if takes_text(element) else [read_yaml(each) for each in value])

    def add_options(self, parser: ArgumentParser) -> None:
        """Add the verb's own options to a parser, each in its section."""
        texts = explanations(self.settings)
        groups: dict[str, Any] = {}
        for each in self._in_order():
            title = limits_of(each).section or self.heading
            if title not in groups:
                groups[title] = parser.add_argument_group(title)
            reader = Reader(self, each.name)
            words = {"metavar": f"{{{described(reader.hint)}}}".replace(", ", ",")} if reader.is_choice else {}
            groups[title].add_argument(
                f"--{self.section}.{each.name}",
                type=reader,
                default=default_of(each),
                help=texts.get(each.name, ""),
                **words,
            )

    def _in_order(self) -> "list[dataclasses.Field[Any]]":
        """Return the fields of the settings, those that are the verb's alone first."""
        fields = {each.name: each for each in dataclasses.fields(self.settings)}
        classes = [each for each in self.settings.__mro__ if dataclasses.is_dataclass(each)]
        names = dict.fromkeys(name for each in classes for name in each.__annotations__)
        return [fields[name] for name in names]

    def read(self, values: Mapping[str, Any]) -> SettingsT:
        """Return the settings with these values.

        Raises:
            SettingsError: if they do not fit.
        """
        with options_of(self.section):
            return self.settings(**values)

    def wants_quick_help(self, arguments: Sequence[str]) -> bool:
        """Whether the quick help is asked for; ``--help=all`` asks for the parser's own."""
        return not {"-h", "--help", f"--{self.section}.help"}.isdisjoint(arguments)

    def quick_help(self) -> str:
        """Return the help on the verb's own options; that on all others takes seconds to import."""
        parser = ArgumentParser(usage=self.usage, add_help=False)
        self.add_options(parser)
        return f"{parser.format_help()}\n{self.introduction}\n\n{OPTIONS.format(section=self.section)}"


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads the value of a setting, from a command line or from a configuration file.

    Args:
        verb: whose setting it is.
        name: of the setting.
    """

    verb: Verb[Any]
    name: str

    @property
    def hint(self) -> Any:
        """What the setting is annotated with."""
        return hints_of(self.verb.settings)[self.name]

    @property
    def is_choice(self) -> bool:
        """Whether the setting is one of some words."""
        return get_origin(self.hint) is Literal

    def __call__(self, value: Any) -> Any:
        """Return the value as a configuration file has it; for null, the default.

        Raises:
            SettingsError: if it does not fit the setting.
        """
        with options_of(self.verb.section):
            if value == "null" or (isinstance(value, str) and not takes_text(self.hint)):
                try:
                    value = read_yaml(value)
                except SettingsError as error:
                    raise SettingsError(f"{error.expected} for {option(self.name)}", error.got, error.cure) from None
            if value is None:
                fields = {each.name: each for each in dataclasses.fields(self.verb.settings)}
                return default_of(fields[self.name])
            self.verb.settings.fitted(self.name, value)
        return value

    def __str__(self) -> str:
        return "one of these" if self.is_choice else described(self.hint)


def takes_text(hint: Any) -> bool:
    """Whether text may be a value as it stands, rather than YAML for one."""
    members = (hint,) if get_origin(hint) in (None, tuple, dict) else get_args(hint)
    return any(each is str or isinstance(each, str) for each in members)
