"""Run a search from Python."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from glo_lightning.errors import SettingsError
from glo_lightning.search.settings import SearchSettings

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

    from glo_lightning.search.records.result import SearchResult
    from glo_lightning.training.python_objects import Data
    from glo_lightning.training.task import Task


@dataclass(frozen=True)
class LossSearch(SearchSettings):
    """A search for a better training loss of a LightningModule.

    Candidates are proposed by CMA-ES generation by generation, checked by the trainability invariant, trained
    partially, and scored by a validation metric. The best few are re-scored with fresh seeds, and the winner is
    compared with cross-entropy by full trainings on the test split. The arguments are those of
    :class:`~glo_lightning.search.settings.SearchSettings`.

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
        model: "Callable[..., LightningModule]",
        datamodule: "Data",
        trainer: Mapping[str, Any] | None = None,
    ) -> "SearchResult":
        """Search, choose and compare.

        Args:
            model: a LightningModule class, or a function that returns a new module, whose training loss is computed
                through ``loss_attribute``. It is called without arguments, or with those that ``joint`` searches.
            datamodule: train, validation and test data, shared by all trainings: a data module, a class of it that
                needs no arguments, or DataLoaders as a tuple (train, val, test) or a dict by these names. Without
                test data, ``comparison_seeds`` must be 0.
            trainer: keyword arguments of ``lightning.Trainer``; ``max_epochs`` is the length of the partial training.

        Returns:
            The best loss, the study and the comparison.

        Raises:
            GloError: if settings, model, data, output folder or study do not fit, before anything trains.
        """
        from glo_lightning.search.run import run_search
        from glo_lightning.training.task import python_task

        if self.tasks:
            raise SettingsError("tasks for run_tasks alone", repr(self.tasks), "Call run_tasks, or leave tasks out.")
        return run_search(self, {"": python_task(model, datamodule, trainer)})

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
