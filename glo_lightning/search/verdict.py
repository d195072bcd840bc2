"""Choose the winner with fresh seeds, and compare it with cross-entropy on the test split."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import optuna

from glo_lightning.errors import StudyError
from glo_lightning.evaluation.baselines import scaled_twin
from glo_lightning.evaluation.comparison import Comparison, compare_losses
from glo_lightning.evaluation.overall import compare_overall
from glo_lightning.losses import CrossEntropyLoss, Loss, Outputs, for_outputs
from glo_lightning.report.words import JOINT
from glo_lightning.search.evaluators import EvaluatorFactory, Length
from glo_lightning.search.fidelity import Fidelity, measure_fidelity
from glo_lightning.search.probed_task import ProbedTask, task_monitor
from glo_lightning.search.progress import Progress
from glo_lightning.search.records import CandidateRecord, count_crashes, ranked, read_candidates
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.shared import SharedEvaluator
from glo_lightning.search.stages import Source
from glo_lightning.training.evaluation import Evaluator, Monitor, Run
from glo_lightning.training.seeds import fresh_seeds
from glo_lightning.training.task import Hyperparameters

BASELINE = "cross-entropy"
DISCOVERED = "discovered"
PURPOSES = {
    "finalists": "re-scoring the finalists with fresh seeds",
    "fidelity": "training a sample of candidates fully, to see whether partial trainings are long enough",
    "comparison": "training the winner and cross-entropy fully, and opening the test split",
}
"""What the studies beside a search's own are for, by the second part of their names."""

STORED = "verdict"
"""User attribute of a study that keeps its verdict, so that a finished search is not judged twice."""


@dataclass(frozen=True)
class Finalist:
    """A candidate re-scored with fresh seeds.

    Args:
        study: name of its study.
        trial: number of its Optuna trial there.
        searched: the metric it had during the search, lucky or not.
        metrics: the metric with each fresh seed.
        mean: their mean, which decides.
    """

    study: str
    trial: int
    searched: float
    metrics: tuple[float, ...]
    mean: float


@dataclass(frozen=True)
class Verdict:
    """The end of a search.

    Args:
        loss: the winner.
        finalists: the candidates that were re-scored, best first.
        comparison: the winner against cross-entropy, over all tasks; None if it was skipped.
        fidelity: partial against full training; None if it was skipped.
        hyperparameters: that were found along with the loss, if any were searched.
        comparisons: of a search on several tasks: the comparison on each, by its name.
    """

    loss: Loss
    finalists: tuple[Finalist, ...]
    comparison: Comparison | None
    fidelity: Fidelity | None = None
    hyperparameters: Hyperparameters = field(default_factory=dict)
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)

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
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Verdict":
        """Read what :meth:`to_dict` returned."""
        comparison, fidelity = stored["comparison"], stored["fidelity"]
        return cls(
            Loss.from_dict(stored["loss"]),
            tuple(Finalist(**{**each, "metrics": tuple(each["metrics"])}) for each in stored["finalists"]),
            None if comparison is None else Comparison.from_dict(comparison),
            None if fidelity is None else Fidelity.from_dict(fidelity),
            stored.get("hyperparameters", {}),
            {name: Comparison.from_dict(each) for name, each in stored.get("comparisons", {}).items()},
        )


class Judge:
    """Judges a finished search; several workers share the trainings and come to the same verdict.

    Args:
        settings: finalists, seeds and epochs.
        sources: the finished studies and what their candidates mean, the main one first.
        evaluators: make what trains.
    """

    def __init__(self, settings: SearchSettings, sources: Sequence[Source], evaluators: EvaluatorFactory) -> None:
        self.settings = settings
        self.study = sources[0].study
        self.sources = {source.study.study_name: source for source in sources}
        self.evaluators = evaluators
        self.monitor = evaluators.monitor

    def judge(self, progress: Progress) -> Verdict:
        """Return the verdict: the stored one if nothing has changed since, else a new one."""
        candidates = [candidate for source in self.sources.values() for candidate in read_candidates(source.study)]
        basis = {
            "candidates": len(candidates),
            **{
                name: getattr(self.settings, name)
                for name in (
                    "finalists", "finalist_seeds", "comparison_seeds", "comparison_epochs", "fidelity_sample"
                )
            },
        }  # fmt: skip
        stored = self.study.user_attrs.get(STORED)
        if stored is not None and stored["basis"] == basis:
            return Verdict.from_dict(stored)
        progress.note(PURPOSES["finalists"])
        crashes = count_crashes(source.study for source in self.sources.values())
        finalists = self._rescore(best_candidates(candidates, self.monitor, self.settings.finalists, crashes))
        first = (finalists[0].study, finalists[0].trial)
        winner = self._run(next(each for each in candidates if (each.study, each.trial) == first), self.settings.seed)
        fidelity = None
        comparisons: dict[str, Comparison] = {}
        if self.settings.fidelity_sample:
            progress.note(PURPOSES["fidelity"])
            fidelity = self._check_fidelity(candidates)
        if self.settings.comparison_seeds:
            progress.note(PURPOSES["comparison"])
            comparisons = {task.name: self._compare(winner, task) for task in self.evaluators.tasks}
        verdict = Verdict(
            winner.loss,
            tuple(finalists),
            self._overall(comparisons),
            fidelity,
            winner.hyperparameters,
            comparisons if len(comparisons) > 1 else {},
        )
        self.study.set_user_attr(STORED, {"basis": basis, **verdict.to_dict()})
        return verdict

    def _run(self, candidate: CandidateRecord, seed: int) -> Run:
        return self.sources[candidate.study].run(candidate, seed)

    def _rescore(self, candidates: Sequence[CandidateRecord]) -> list[Finalist]:
        """A search that tries hundreds also selects for luck; a fresh score does not know who was lucky."""
        seeds = fresh_seeds(self.settings.seed, "finalists", self.settings.finalist_seeds)
        runs = [self._run(candidate, seed) for candidate in candidates for seed in seeds]
        evaluations = self._evaluator("finalists", "partial").evaluate(runs)
        finalists = []
        for position, candidate in enumerate(candidates):
            own = evaluations[position * len(seeds) : (position + 1) * len(seeds)]
            metrics = tuple(self.monitor.to_metric(evaluation.score) for evaluation in own)
            searched = float(candidate.metric or 0.0)
            finalists.append(Finalist(candidate.study, candidate.trial, searched, metrics, float(np.mean(metrics))))
        return sorted(finalists, key=lambda finalist: -self.monitor.to_score(finalist.mean))

    def _check_fidelity(self, candidates: Sequence[CandidateRecord]) -> Fidelity:
        return measure_fidelity(
            candidates,
            self.settings.fidelity_sample,
            self._evaluator("fidelity", "full"),
            lambda candidate: self._run(candidate, self.settings.seed),
            self.monitor,
            max(task.full_epochs for task in self.evaluators.tasks),
        )

    def _compare(self, winner: Run, task: ProbedTask) -> Comparison:
        seeds = fresh_seeds(self.settings.seed, "comparison", self.settings.comparison_seeds)
        losses = rivals(winner.loss, task.num_classes, self.settings.outputs, bool(winner.hyperparameters))
        found = {name: winner.hyperparameters for name in losses if name != BASELINE}
        monitor = task_monitor(self.settings)
        basis = {"epochs": task.full_epochs, "split": "test", **({"task": task.name} if task.name else {})}
        evaluator = self._shared(self.evaluators.make_for(task, "full", "test"), "comparison", basis, monitor)
        return compare_losses(losses, evaluator, monitor, seeds, "test", task.full_epochs, found)

    def _overall(self, comparisons: Mapping[str, Comparison]) -> Comparison | None:
        if len(comparisons) > 1:
            return compare_overall(comparisons, self.evaluators.references, self.monitor)
        return next(iter(comparisons.values()), None)

    def _evaluator(self, purpose: str, length: Length) -> SharedEvaluator:
        epochs = [task.epochs if length == "partial" else task.full_epochs for task in self.evaluators.tasks]
        basis = {"epochs": epochs if len(epochs) > 1 else epochs[0], "split": "val"}
        return self._shared(self.evaluators.make(length), purpose, basis, self.monitor)

    def _shared(
        self, evaluator: Evaluator, purpose: str, basis: Mapping[str, Any], monitor: Monitor
    ) -> SharedEvaluator:
        return SharedEvaluator(
            evaluator, self.study, purpose, basis, monitor, self.settings.attempts, self.evaluators.batch
        )


def read_verdict(study: optuna.Study) -> Verdict:
    """Read the verdict that the last worker left in a study.

    Raises:
        StudyError: if the study has not been judged.
    """
    if STORED not in study.user_attrs:
        raise StudyError("a study with a verdict", "one without", "Run the search to its end.")
    return Verdict.from_dict(study.user_attrs[STORED])


def best_candidates(
    candidates: Sequence[CandidateRecord], monitor: Monitor, count: int, crashes: Mapping[str, int] | None = None
) -> list[CandidateRecord]:
    """Return the ``count`` best candidates that trained to the end, best first.

    Args:
        candidates: of a search.
        monitor: the metric.
        count: how many.
        crashes: trainings that crashed, by their reasons, to be named if nothing else is left.

    Raises:
        StudyError: if none did.
    """
    trained = ranked(candidates, monitor)
    if trained:
        return trained[:count]
    stopped = f"{len(candidates)} that were stopped before"
    if crashes:
        reason = max(crashes, key=crashes.__getitem__)
        raise StudyError(
            "at least one candidate that trained",
            f"{stopped}, and {sum(crashes.values())} crashes, most of them: {reason}",
            "Train the model once with its own loss, and mend the cause.",
        )
    raise StudyError(
        "at least one candidate that trained",
        stopped,
        "Use --search.on_violation=resample, a larger --search.population_size, or --search.invariant=none.",
    )


def rivals(winner: Loss, num_classes: int, outputs: Outputs = "softmax", joint: bool = False) -> dict[str, Loss]:
    """Return cross-entropy of such outputs, its twin scaled to the winner's start-up gradient, and the winner.

    After a joint search there is cross-entropy twice: as it is configured, and "joint", with the winner's
    hyperparameters, as its twin and the winner have them.
    """
    cross_entropy = for_outputs(CrossEntropyLoss(), outputs)
    losses: dict[str, Loss] = {BASELINE: cross_entropy}
    rival = BASELINE
    if joint:
        rival = BASELINE + JOINT
        losses[rival] = cross_entropy
    twin = scaled_twin(winner, cross_entropy, num_classes)
    if twin is not None:
        losses[f"{rival} × {twin[0]}"] = twin[1]
    losses[DISCOVERED] = winner
    return losses
