"""Run a search from Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from glo_lightning.errors import SettingsError
from glo_lightning.search.settings import SearchSettings

if TYPE_CHECKING:
    from glo_lightning.baselines.run import Baselines
    from glo_lightning.cli.own_cli import OwnCLI
    from glo_lightning.search.check import Findings
    from glo_lightning.search.records.result import SearchResult
    from glo_lightning.training.model_instances import StartFrom
    from glo_lightning.training.python_objects import Data, Model, TrainerSource
    from glo_lightning.training.task import Task


@dataclass(frozen=True)
class LossSearch(SearchSettings):
    """A search for a better training loss of a LightningModule.

    Candidates are proposed by CMA-ES generation by generation, checked by the trainability invariant, trained
    partially, and scored by a validation metric. The best few are re-scored with fresh seeds, and the winner is
    compared with its rivals by full trainings on the test split. What did best of all these on validation data is the
    loss to take home.

    Example:
        >>> from glo_lightning.data import DigitsDataModule
        >>> from glo_lightning.models import Classifier, mlp
        >>> search = LossSearch(generations=1, population_size=4, comparison_seeds=0, finalist_seeds=1,
        ...                     storage="memory", output_dir=getfixture("tmp_path"))
        >>> result = search.run(lambda: Classifier(mlp()), DigitsDataModule(), {"max_epochs": 1})
        >>> result.to_frame().shape[0]
        4
    """

    def run(
        self,
        model: "Model",
        datamodule: "Data | None" = None,
        trainer: "TrainerSource | None" = None,
        *,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        test_dataloaders: Any = None,
        start_from: "StartFrom" = "scratch",
    ) -> "SearchResult":
        """Search, choose and compare.

        Args:
            model: a LightningModule class, or a function that returns a new module, whose training loss is computed
                through ``loss_attribute``. It is called without arguments, or with those that ``joint`` searches. A
                module is left as it is, and built again for every training.
            datamodule: train, validation and test data, shared by all trainings: a data module, a class of it that
                needs no arguments, or DataLoaders as a tuple (train, val, test) or a dict by these names. Without
                test data, ``comparison_seeds`` must be 0.
            trainer: keyword arguments of ``lightning.Trainer``, or a function that makes a new one for every training;
                ``max_epochs`` is the length of the partial training. Loggers, checkpoints, progress bar, model summary
                and sanity check are off, and devices one, unless you set them; callbacks of ours stand before yours.
            train_dataloaders: in place of a data module, as ``Trainer.fit`` takes them.
            val_dataloaders: beside them.
            test_dataloaders: beside them; without, ``comparison_seeds`` must be 0.
            start_from: of a module: scratch, or weights to begin every training with those that it has. What the
                invariant says is about untrained models; with weights, ``invariant="none"`` may be what you want.

        Returns:
            The best loss, the study and the comparison.

        Raises:
            GloError: if settings, model, data, output folder or study do not fit, before anything trains.
        """
        from glo_lightning.search.run import run_search

        loaders = {"train": train_dataloaders, "val": val_dataloaders, "test": test_dataloaders}
        return run_search(self, {"": self._task(model, datamodule, trainer, loaders, start_from)})

    def run_cli(self, cli: "OwnCLI", arguments: Sequence[str] = ()) -> "SearchResult":
        """Search for the model, the data and the Trainer of a LightningCLI of one's own.

        Its parser, links, defaults and ``instantiate_classes`` are used as they are. ``config.yaml`` in the output
        folder has all options, unless the CLI is nothing that ``--cli`` could name.

        Args:
            cli: the class, or a ``functools.partial`` of it with the arguments that it is called with.
            arguments: the command line of a fit, without the program's name.

        Returns:
            As from :meth:`run`.

        Raises:
            GloError: as from :meth:`run`, or if the arguments do not fit.
        """
        from glo_lightning.cli.own_cli import cli_task, whole_configuration
        from glo_lightning.search.records.write import plain_settings
        from glo_lightning.search.run import run_search

        self._require_one_task()
        task = cli_task(cli, arguments)
        return run_search(self, {"": task}, whole_configuration(cli, task, "search", plain_settings(self)))

    def check(
        self,
        model: "Model",
        datamodule: "Data | None" = None,
        trainer: "TrainerSource | None" = None,
        *,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        test_dataloaders: Any = None,
        start_from: "StartFrom" = "scratch",
    ) -> "Findings":
        """Look for all problems at once, and say what the search would cost; nothing is written.

        Args:
            model: what :meth:`run` will get: a LightningModule class, a function that returns a new one, or a module.
            datamodule: a data module, a class of it that needs no arguments, or DataLoaders as a tuple (train, val,
                test) or a dict by these names.
            trainer: keyword arguments of ``lightning.Trainer``, or a function that makes a new one.
            train_dataloaders: in place of a data module, as ``Trainer.fit`` takes them.
            val_dataloaders: beside them.
            test_dataloaders: beside them; without, ``comparison_seeds`` must be 0.
            start_from: of a module: scratch, or weights to begin every training with those that it has.

        Returns:
            What must be mended first, and what the search would do; printed, it can be read.

        Raises:
            GloError: if a model, data or a Trainer's arguments are nothing of the kind.
        """
        from glo_lightning.search.check import check_search

        loaders = {"train": train_dataloaders, "val": val_dataloaders, "test": test_dataloaders}
        return check_search(self, {"": self._task(model, datamodule, trainer, loaders, start_from)})

    def baselines(
        self,
        model: "Model",
        datamodule: "Data | None" = None,
        trainer: "TrainerSource | None" = None,
        *,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        start_from: "StartFrom" = "scratch",
    ) -> "Baselines":
        """Train what is known on training and validation data, and say whether a search would pay, and which.

        Cross-entropy, label smoothing and the losses of the literature, each at the learning rate that suits it; what
        is trained already is not trained again, and several ``workers`` share the rest. With ``start="baselines"``,
        :meth:`run` begins from the best.

        Args:
            model: a LightningModule class, a function that returns a new one, or a module.
            datamodule: a data module, a class of it that needs no arguments, or DataLoaders as a tuple (train, val) or
                a dict by these names; test data are not needed.
            trainer: keyword arguments of ``lightning.Trainer``, or a function that makes a new one.
            train_dataloaders: in place of a data module, as ``Trainer.fit`` takes them.
            val_dataloaders: beside them.
            start_from: of a module: scratch, or weights to begin every training with those that it has.

        Returns:
            The leaderboard, the advice, and what to do next; printed, it can be read.

        Raises:
            GloError: as from :meth:`run`, or if a training crashed.
        """
        from functools import partial

        from glo_lightning.baselines.next_step import in_python
        from glo_lightning.baselines.run import run_baselines

        loaders = {"train": train_dataloaders, "val": val_dataloaders, "test": None}
        task = self._task(model, datamodule, trainer, loaders, start_from)
        return run_baselines(self, task, partial(in_python, self))

    def run_tasks(self, tasks: "Mapping[str, Task]") -> "SearchResult":
        """Search a loss that does well on several tasks, choose and compare on each of them and overall.

        Args:
            tasks: two or more, by name; ``python_task`` of :mod:`glo_lightning.training.task` makes them from what
                :meth:`run` takes. All log the same monitor; classes may differ in number.

        Returns:
            The best loss, the study, the comparison over all tasks and those on each.

        Raises:
            GloError: as from :meth:`run`.
        """
        from glo_lightning.search.run import run_search
        from glo_lightning.training.task import Task

        if not isinstance(tasks, Mapping) or not all(isinstance(task, Task) for task in tasks.values()):
            values = tasks.values() if isinstance(tasks, Mapping) else [tasks]
            raise SettingsError(
                "tasks by name, as a dict",
                ", ".join(sorted({type(value).__name__ for value in values})),
                "Make each by python_task(model, datamodule, trainer) of glo_lightning.training.task.",
            )
        return run_search(replace(self, tasks=tuple(tasks)), tasks)

    def _task(
        self,
        model: "Model",
        datamodule: "Data | None",
        trainer: "TrainerSource | None",
        loaders: Mapping[str, Any],
        start_from: "StartFrom",
    ) -> "Task":
        from glo_lightning.training.python_objects import one_of
        from glo_lightning.training.task import python_task

        self._require_one_task()
        return python_task(model, one_of(datamodule, loaders), trainer, start_from)

    def _require_one_task(self) -> None:
        if self.tasks:
            raise SettingsError("tasks for run_tasks alone", repr(self.tasks), "Call run_tasks, or leave tasks out.")
