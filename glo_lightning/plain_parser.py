"""argparse's parser, for verbs that train nothing: it says in one line what was wrong, and what was meant."""

import argparse
import re
from typing import NoReturn

from glo_lightning.checked import nearest
from glo_lightning.errors import SettingsError


class PlainParser(argparse.ArgumentParser):
    """Raises a SettingsError where its base prints the usage and ends the process; options are not abbreviated.

    Args:
        verb: how the program is called.
        description: what it does.
        epilog: below the options.
        add_help: whether it has an option ``--help``.

    Example:
        >>> parser = PlainParser("report", "Write a page.")
        >>> _ = parser.add_argument("--output")
        >>> parser.parse_args(["--outptu=here"])
        Traceback (most recent call last):
        glo_lightning.errors.SettingsError: Expected usage: glo-lightning report [-h] [--output OUTPUT], got ...
    """

    def __init__(self, verb: str, description: str = "", epilog: str | None = None, add_help: bool = True) -> None:
        super().__init__(
            f"glo-lightning {verb}", description=description, epilog=epilog, add_help=add_help, allow_abbrev=False
        )

    def error(self, message: str) -> NoReturn:
        """Refuse a command line."""
        usage = " ".join(self.format_usage().split())
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        unknown = re.search(r"unrecognized arguments: ([^\s=]+)", message)
        meant = None
        if choice:
            meant = nearest(choice[1], re.findall(r"[\w.]+", choice[2]))
        elif unknown:
            meant = nearest(unknown[1], re.findall(r"--[\w-]+", usage))
        raise SettingsError(usage, message, f"Did you mean {meant}?" if meant else f"See {self.prog} --help.")
