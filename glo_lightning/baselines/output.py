"""Baselines as the command line describes them: a leaderboard, advice, and the command to run next."""

from functools import partial

from rich.console import Console

from glo_lightning.baselines.next_step import as_command
from glo_lightning.baselines.run import run_baselines
from glo_lightning.cli.own_cli import OwnCLIArguments
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.search.settings import SearchSettings


def run(cli: TaskCLI[SearchSettings] | OwnCLIArguments[SearchSettings]) -> int:
    """Train what is known, print and write.

    Args:
        cli: what the command line says.

    Returns:
        The exit code 0.

    Raises:
        GloError: if something does not fit, before anything trains, or if a training crashed.
        KeyboardInterrupt: after Ctrl-C, with how to continue.
    """
    settings, task = cli.settings(), cli.task()
    arguments = cli.given if isinstance(cli, OwnCLIArguments) else cli.arguments
    tell_next = partial(as_command, arguments, task, isinstance(cli, OwnCLIArguments), settings)
    try:
        run_baselines(settings, task, tell_next).render(Console())
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Stopped. Finished trainings are kept; the same command trains the rest.") from None
    return 0
