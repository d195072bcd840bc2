"""Run a verb that trains; what takes seconds to import is imported when it is needed."""

import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Any

from glo_lightning.cli.collector import collect_again
from glo_lightning.cli.verb import Verb
from glo_lightning.environment import require_torchvision
from glo_lightning.options import options_of

_logger = logging.getLogger(__name__)


def run(verb: Verb[Any], arguments: Sequence[str], action: str = "run") -> int:
    """Print the quick help if it is asked for, or run the verb: a function of ``output.py`` in its folder.

    Args:
        verb: what to run.
        arguments: the command line without the program's name.
        action: the name of the function.

    Returns:
        The exit code.

    Raises:
        GloError: if something does not fit; before anything trains.
        KeyboardInterrupt: after Ctrl-C, with how to continue.
    """
    if verb.wants_quick_help(arguments):
        sys.stdout.write(verb.quick_help())
        return 0
    require_torchvision()
    from glo_lightning.cli.task_cli import TaskCLI

    with options_of(verb.section):
        output = importlib.import_module(f"glo_lightning.{verb.room}.output")
        cli = TaskCLI(verb, arguments)
        for note in cli.notes:
            _logger.warning(note)
        collect_again()
        return int(getattr(output, action)(cli))


def run_own_cli(verb: Verb[Any], arguments: Sequence[str], flag: str, action: str = "run") -> int:
    """Run a verb on what a LightningCLI of somebody's own makes of all options that are not the verb's, or print help.

    Args:
        verb: what to run.
        arguments: the command line without the program's name.
        flag: before the import path of that CLI.
        action: as of :func:`run`.

    Returns:
        The exit code.

    Raises:
        GloError: as from :func:`run`.
    """
    if f"--{verb.section}.help" in arguments:  # --help is theirs
        sys.stdout.write(verb.quick_help())
        return 0
    require_torchvision()
    from glo_lightning.cli.own_cli import OwnCLIArguments

    with options_of(verb.section):
        output = importlib.import_module(f"glo_lightning.{verb.room}.output")
        collect_again()
        return int(getattr(output, action)(OwnCLIArguments(verb, arguments, flag)))
