"""A search as the command line describes it."""

from pathlib import Path

from rich.console import Console

from glo_lightning.cli.main import EXIT_ERROR
from glo_lightning.cli.own_cli import OwnCLIArguments
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.errors import SettingsError
from glo_lightning.options import option
from glo_lightning.search.check import check_search
from glo_lightning.search.records.write import SearchOutput
from glo_lightning.search.run import run_search
from glo_lightning.search.settings import SearchSettings
from glo_lightning.training.placement import leads
from glo_lightning.training.task import Task
from glo_lightning.words import place, say

CommandLine = TaskCLI[SearchSettings] | OwnCLIArguments[SearchSettings]


def run(cli: CommandLine) -> int:
    """Search, and print the verdict.

    Args:
        cli: what the command line says.

    Returns:
        The exit code 0.

    Raises:
        GloError: if something does not fit; before anything trains.
        KeyboardInterrupt: after Ctrl-C, with how to continue.
    """
    settings = cli.settings()
    output = SearchOutput.of(settings)
    is_first = leads()
    try:
        result = run_search(settings, tasks_of(cli), cli.whole_configuration())
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped. Finished candidates are kept in {place(output.folder)}; the same command continues the search."
        ) from None
    if is_first:
        say(Console(), str(result))
    return 0


def check(cli: CommandLine) -> int:
    """Print what would keep the search from working, and what it would cost.

    Args:
        cli: what the command line says.

    Returns:
        The exit code: 0, or 2 if there is something to mend.
    """
    findings = check_search(cli.settings(), tasks_of(cli))
    say(Console(), str(findings))
    return EXIT_ERROR if findings.problems else 0


def tasks_of(cli: CommandLine) -> dict[str, Task]:
    """Return the task of a command line, or those of the files it names, in which its own options hold as well.

    Raises:
        SettingsError: if a file is missing, or asks for another metric than the command line.
    """
    settings = cli.settings()
    if not settings.tasks:
        return {"": cli.task()}
    if isinstance(cli, OwnCLIArguments):
        raise SettingsError("one task by a LightningCLI", repr(settings.tasks), f"Leave {option('tasks')} out.")
    tasks = {}
    for file in settings.tasks:
        if not Path(file).is_file():
            raise SettingsError("files of tasks", f"{file!r}, which is not there", f"Check {option('tasks')}.")
        own = TaskCLI(cli.verb, [*cli.arguments, "--config", file])
        for name in ("monitor", "mode", "loss_attribute", "outputs"):
            if getattr(own.settings(), name) != getattr(settings, name):
                raise SettingsError(
                    f"the same {name} for all tasks, {getattr(settings, name)!r}",
                    f"{getattr(own.settings(), name)!r} in {file}",
                    f"Give --search.{name}, and remove it from the file.",
                )
        tasks[Path(file).stem] = own.task()
    if len(tasks) < len(settings.tasks):
        raise SettingsError("files of different names, which name the tasks", repr(settings.tasks), "Rename some.")
    return tasks
