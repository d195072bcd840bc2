"""How a search ended: finalists, winner and comparison, as its study keeps them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import optuna

from glo_lightning.compare.comparison import Comparison
from glo_lightning.compare.tables import choice_sentence
from glo_lightning.errors import GloError, StudyError
from glo_lightning.hyperparameters import Hyperparameters
from glo_lightning.losses import Loss
from glo_lightning.search.settings import SearchSettings

DISCOVERED = "discovered"

PURPOSES = {
    "finalists": "re-scoring the finalists with fresh seeds",
    "known": "training the losses of the literature",
    "rivals": "re-scoring the best of the rivals with fresh seeds",
    "fidelity": "training a sample of candidates fully, to see whether partial trainings are long enough",
    "comparison": "training the winner and its rivals fully, and opening the test split",
}
"""What the studies beside a search's own are for, by the second part of their names, in the order of their begin."""

PARTIAL = ("finalists", "known", "rivals")
"""Those of them whose trainings are as long as a candidate's."""


@dataclass(frozen=True)
class Fidelity:
    """Partial against full training of a sample of candidates.

    Args:
        trials: numbers of their trials, best partial training first.
        partial: the metric each had in the search.
        full: the metric each had after full training, on the same validation split; None if that diverged.
        epochs: epochs of a full training.
        spearman: rank correlation in [-1, 1]; None if it is undefined, because all are equal.
        kendall: Kendall's tau-b in [-1, 1]; None if it is undefined.
    """

    trials: tuple[int, ...]
    partial: tuple[float, ...]
    full: tuple[float | None, ...]
    epochs: int
    spearman: float | None
    kendall: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Fidelity":
        """Read what :meth:`to_dict` returned."""
        samples = {name: tuple(stored[name]) for name in ("trials", "partial", "full")}
        return cls(**{**stored, **samples})

    def __str__(self) -> str:
        if self.spearman is None or self.kendall is None:
            return f"Partial against full training: all of {len(self.trials)} candidates are equal."
        return (
            f"Partial training ranks losses as {self.epochs} epochs do with Spearman {self.spearman:.2f}, "
            f"Kendall {self.kendall:.2f} ({len(self.trials)} candidates)."
        )


STORED = "verdict"
"""User attribute of a study that keeps its verdict, so that a finished search is not judged twice."""


ASKED = (
    "generations",
    "stage",
    "tuned_trees",
    "coefficient_generations",
    "finalists",
    "finalist_seeds",
    "comparison_seeds",
    "rival_budget",
    "comparison_epochs",
    "fidelity_sample",
)
"""Settings that say how much is done; they may change from run to run of a search."""


@dataclass(frozen=True)
class Finalist:
    """A candidate re-scored with fresh seeds.

    Args:
        study: name of its study.
        trial: number of its Optuna trial there.
        searched: the metric it had during the search, lucky or not.
        metrics: the metric with each fresh seed; the worst metric where training diverged.
        mean: their mean, which decides.
        divergences: why the training with each seed diverged; empty texts for those that did not.
    """

    study: str
    trial: int
    searched: float
    metrics: tuple[float, ...]
    mean: float
    divergences: tuple[str, ...]

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Finalist":
        """Read JSON values back."""
        return cls(**{**stored, **{name: tuple(stored[name]) for name in ("metrics", "divergences")}})


@dataclass(frozen=True)
class Choice:
    """The loss to take home: of the discovered one and its rivals, the best on validation data.

    Args:
        name: of its row in the comparison.
        loss: to train with.
        hyperparameters: of the model that it was trained with, where they differ from those it is configured with.
    """

    name: str
    loss: Loss
    hyperparameters: Hyperparameters = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"name": self.name, "loss": self.loss.to_dict(), "hyperparameters": dict(self.hyperparameters)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Choice":
        """Read what :meth:`to_dict` returned."""
        return cls(stored["name"], Loss.from_dict(stored["loss"]), stored["hyperparameters"])


@dataclass(frozen=True)
class Verdict:
    """The end of a search.

    Args:
        loss: the winner.
        finalists: the candidates that were re-scored, best first.
        comparison: the winner against cross-entropy, over all tasks; None if it was skipped.
        choice: the loss to take home.
        fidelity: partial against full training; None if it was skipped.
        hyperparameters: that were found along with the loss, if any were searched.
        comparisons: of a search on several tasks: the comparison on each, by its name.
        warning: why the winner should not be trusted, if it should not.
        best_known: the best of the literature's losses on validation data; None if they were not tried.
    """

    loss: Loss
    finalists: tuple[Finalist, ...]
    comparison: Comparison | None
    choice: Choice
    fidelity: Fidelity | None = None
    hyperparameters: Hyperparameters = field(default_factory=dict)
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    warning: str = ""
    best_known: Loss | None = None

    @property
    def advice(self) -> str:
        """Which loss to take home, and why, in words; an empty text where there was nothing to choose from."""
        if self.comparison is None:
            return ""
        return choice_sentence(self.comparison, self.choice.name, self.choice.hyperparameters)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON values of ``comparison.json``."""
        return {
            "loss": self.loss.to_dict(),
            "formula": self.loss.formula("unicode"),
            "hyperparameters": dict(self.hyperparameters),
            "finalists": [asdict(finalist) for finalist in self.finalists],
            "comparison": None if self.comparison is None else self.comparison.to_dict(),
            "fidelity": None if self.fidelity is None else self.fidelity.to_dict(),
            "comparisons": {name: each.to_dict() for name, each in self.comparisons.items()},
            "warning": self.warning,
            "best_known": None if self.best_known is None else self.best_known.to_dict(),
            "choice": self.choice.to_dict(),
        }

    @classmethod
    def from_dict(cls, stored: object) -> "Verdict":
        """Read what :meth:`to_dict` returned.

        Raises:
            StudyError: if it is something else.
            LossFileError: if its loss is none.
        """
        try:
            return cls._read(cast(dict[str, Any], stored))
        except GloError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise StudyError(
                "the verdict of a search",
                f"{stored!r:.60}, which is none ({type(error).__name__}: {error})",
                "Somebody changed the study: run the search again, which judges anew.",
            ) from error

    @classmethod
    def _read(cls, stored: dict[str, Any]) -> "Verdict":
        comparison, fidelity, best_known = stored["comparison"], stored["fidelity"], stored.get("best_known")
        loss, hyperparameters = Loss.from_dict(stored["loss"]), stored.get("hyperparameters", {})
        choice = stored.get("choice")  # studies of before kept none
        return cls(
            loss,
            tuple(map(Finalist.from_dict, stored["finalists"])),
            None if comparison is None else Comparison.from_dict(comparison),
            Choice(DISCOVERED, loss, hyperparameters) if choice is None else Choice.from_dict(choice),
            None if fidelity is None else Fidelity.from_dict(fidelity),
            hyperparameters,
            {name: Comparison.from_dict(each) for name, each in stored.get("comparisons", {}).items()},
            stored["warning"],
            None if best_known is None else Loss.from_dict(best_known),
        )


def asked(settings: SearchSettings) -> dict[str, Any]:
    """Return how much a run of a search is asked to do."""
    return {**{name: getattr(settings, name) for name in ASKED}, "generations": settings.generation_count}


def is_answered(study: optuna.Study | None, settings: SearchSettings) -> bool:
    """Tell whether a study has a verdict of all that a run asks for, so that only checks are left to do."""
    stored = None if study is None else study.user_attrs.get(STORED)
    basis = stored.get("basis") if isinstance(stored, dict) else None
    return isinstance(basis, dict) and basis == {**asked(settings), "candidates": basis.get("candidates")}


def read_verdict(study: optuna.Study) -> Verdict:
    """Read the verdict that the last worker left in a study.

    Raises:
        StudyError: if the study has not been judged.
    """
    if STORED not in study.user_attrs:
        raise StudyError("a study with a verdict", "one without", "Run the search to its end.")
    return Verdict.from_dict(study.user_attrs[STORED])
