"""The LightningCLI of a search: it parses once and builds model and Trainer afresh for every candidate."""

import functools
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from glo_lightning.environment import require_torchvision
from glo_lightning.search.command import USAGE
from glo_lightning.search.output import SearchOutput
from glo_lightning.search.runner import run_search
from glo_lightning.search.settings import SearchSettings
from glo_lightning.training.task import LEAN_TRAINER, Task

DEFAULTS = {
    "model": {
        "class_path": "glo_lightning.models.Classifier",
        "init_args": {"network": {"class_path": "glo_lightning.models.mlp"}},
    },
    "data": {"class_path": "glo_lightning.data.DigitsDataModule"},
}


class SearchCLI(LightningCLI):
    """Parses model, data, Trainer and search options, and builds nothing until asked.

    Args:
        arguments: the command line without the program's name.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = tuple(arguments)
        with warnings.catch_warnings():
            # Lightning suspects a mistake where arguments are passed while sys.argv has some, too.
            warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
            self._parse(arguments)

    def _parse(self, arguments: Sequence[str]) -> None:
        super().__init__(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=None,
            seed_everything_default=False,
            trainer_defaults={**LEAN_TRAINER, "max_epochs": 3},
            parser_kwargs={"usage": USAGE},
            run=False,
            args=list(arguments),
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the search's own options and the defaults that make a bare command run."""
        parser.add_class_arguments(SearchSettings, "search")
        parser.set_defaults(DEFAULTS)

    def instantiate_classes(self) -> None:
        """Build nothing yet: every candidate gets objects of its own."""
        self._dump_config()

    def settings(self) -> SearchSettings:
        """Return the search's own options."""
        settings: SearchSettings = self._instantiate("search").search
        return settings

    def task(self) -> Task:
        """Return the task the command line describes."""
        datamodule = self._instantiate("data").data
        rebuild = functools.partial(task_from_command_line, self.arguments)
        return Task(self.build_model, datamodule, self.build_trainer, self.description(), rebuild)

    def build_model(self) -> LightningModule:
        """Build a new model, with the optimizer of the command line if there is one."""
        self.config_init = self._instantiate("model", "optimizer", "lr_scheduler")
        model: LightningModule = self.config_init.model
        self.model = model
        self._add_configure_optimizers_method_to_model(None)
        return model

    def build_trainer(self, callbacks: Sequence[Callback], overrides: Mapping[str, Any]) -> Trainer:
        """Build a Trainer with new callbacks and loggers of the user's, and ours."""
        self.config_init = self._instantiate("trainer")
        trainer = self.instantiate_trainer(**overrides)
        trainer.callbacks[:0] = callbacks  # type: ignore[attr-defined]
        return trainer

    def _instantiate(self, *sections: str) -> Namespace:
        chosen = Namespace(**{name: self.config[name] for name in sections if name in self.config})  # type: ignore[no-untyped-call]
        built: Namespace = self.parser.instantiate_classes(chosen)
        return built

    def description(self) -> dict[str, Any]:
        """Return what tells this task from another: the model's, data's and Trainer's options that are set."""
        return {
            section: {name: value for name, value in (self.config_dump[section] or {}).items() if value is not None}
            for section in ("model", "data", "trainer")
        }

    def save_config(self, path: Path) -> None:
        """Write the whole configuration, so that ``--config`` repeats the search."""
        self.parser.save(self.config, str(path), skip_none=False, overwrite=True, multifile=False)


def task_from_command_line(arguments: Sequence[str]) -> Task:
    """Return the task of a command line; this is how other processes build it."""
    return SearchCLI(arguments).task()


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
    cli = SearchCLI(arguments)
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
