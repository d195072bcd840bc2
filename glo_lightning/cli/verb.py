"""What the verbs that train have in common on the command line. Imports nothing heavy: ``--help`` reads it."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from jsonargparse import ArgumentParser

SettingsT = TypeVar("SettingsT")

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
        heading: above these options in the help.
        introduction: below them, one or more lines.
        shorthands: own options that may be given without their section, and what the usage calls their values;
            with dots behind for several.
    """

    section: str
    settings: type[SettingsT]
    heading: str
    introduction: str
    shorthands: Mapping[str, str] = field(default_factory=dict)

    @property
    def program(self) -> str:
        """What to call it by."""
        return f"python -m glo_lightning.{self.section}"

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
            >>> verb = Verb("compare", object, "", "", {"losses": "LOSS ..."})
            >>> verb.spell_out(["--losses", "baikal", "mse", "--config", "mine.yaml"])
            ['--config', 'mine.yaml', '--compare.losses=["baikal", "mse"]']
        """
        parser = argparse.ArgumentParser(self.program, self.usage, add_help=False, allow_abbrev=False)
        for name, value in self.shorthands.items():
            parser.add_argument(f"--{name}", nargs="+" if value.endswith("...") else None)
        short, rest = parser.parse_known_args(arguments)
        given = {name: value for name, value in vars(short).items() if value is not None}
        texts = {name: json.dumps(value) if isinstance(value, list) else value for name, value in given.items()}
        return [*rest, *(f"--{self.section}.{name}={text}" for name, text in texts.items())]

    def quick_help(self) -> str:
        """Return the help on the verb's own options; that on all others takes seconds to import."""
        parser = ArgumentParser(usage=self.usage, add_help=False)
        parser.add_class_arguments(self.settings, self.section, help=self.heading)
        return f"{parser.format_help()}\n{self.introduction}\n\n{OPTIONS.format(section=self.section)}"


def wants_help(arguments: Sequence[str]) -> bool:
    """Whether the quick help is asked for; ``--help=all`` asks for the parser's own."""
    return any(argument in ("-h", "--help") for argument in arguments)
