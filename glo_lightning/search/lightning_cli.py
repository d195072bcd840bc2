"""A search as the command line describes it."""

from collections.abc import Sequence

from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from glo_lightning.environment import require_torchvision
from glo_lightning.search.command import SEARCH
from glo_lightning.search.output import SearchOutput
from glo_lightning.search.runner import run_search
from glo_lightning.training.task_cli import TaskCLI


def search_from_command_line(arguments: Sequence[str]) -> int:
    """Parse, search, and print the verdict.

    Args:
        arguments: the command line without the program's name.

    Returns:
        The exit code 0.

    Raises:
        GloError: if something does not fit; before anything trains.
        KeyboardInterrupt: after Ctrl-C, with how to continue.
    """
    require_torchvision()
    console = Console()
    cli = TaskCLI(SEARCH, arguments)
    settings = cli.settings()
    output = SearchOutput.of(settings)
    leads: bool = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    if leads:
        cli.save_config(output.folder / "config.yaml")
    try:
        result = run_search(settings, cli.task(), console)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped. Finished candidates are kept in {output.folder}; the same command continues the search."
        ) from None
    if leads:
        console.print(str(result), highlight=False, markup=False)
    return 0
