"""Choose the winner with fresh seeds, and compare it with what everybody trains with on the test split."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from glo_lightning.compare.comparison import Comparison, compare_losses, divergence, refuse_what_tells_nothing
from glo_lightning.compare.overall import compare_overall
from glo_lightning.compare.rivals import BASELINES
from glo_lightning.compare.shared_trainings import SharedTrainings
from glo_lightning.compare.tables import learnt_nothing
from glo_lightning.search.exploration.context import Source
from glo_lightning.search.exploration.evaluators import EvaluatorFactory, Length
from glo_lightning.search.progress import Progress, Trainings, trainings_ahead
from glo_lightning.search.records.candidates import (
    CandidateRecord,
    best_candidates,
    count_crashes,
    read_candidates,
    require_differences,
)
from glo_lightning.search.records.verdict import DISCOVERED, STORED, Fidelity, Finalist, Verdict, asked
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.tasks import ProbedTask, task_monitor
from glo_lightning.search.verdict.fidelity import measure_fidelity
from glo_lightning.search.verdict.rivals import rivals
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Evaluator, Run
from glo_lightning.training.seeds import fresh_seeds


class Judge:
    """Judges a finished search; several workers share the trainings and come to the same verdict.

    Args:
        settings: finalists, seeds and epochs.
        sources: the finished studies and what their candidates mean, the main one first.
        evaluators: make what trains.
        progress: told of every training.
    """

    def __init__(
        self, settings: SearchSettings, sources: Sequence[Source], evaluators: EvaluatorFactory, progress: Progress
    ) -> None:
        self.settings = settings
        self.study = sources[0].study
        self.sources = {source.study.study_name: source for source in sources}
        self.evaluators = evaluators
        self.monitor = evaluators.monitor
        self.progress = progress

    def judge(self) -> Verdict:
        """Return the verdict: the stored one if nothing has changed since, else a new one."""
        candidates = [candidate for source in self.sources.values() for candidate in read_candidates(source.study)]
        basis = {"candidates": len(candidates), **asked(self.settings)}
        stored = self.study.user_attrs.get(STORED)
        if isinstance(stored, dict) and stored.get("basis") == basis:
            return Verdict.from_dict(stored)
        require_differences(candidates, self.monitor)
        crashes = count_crashes(source.study for source in self.sources.values())
        finalists = self._rescore(best_candidates(candidates, self.monitor, self.settings.finalists, crashes))
        first = (finalists[0].study, finalists[0].trial)
        winner = self._run(next(each for each in candidates if (each.study, each.trial) == first), self.settings.seed)
        fidelity = None
        comparisons: dict[str, Comparison] = {}
        if self.settings.fidelity_sample:
            fidelity = self._check_fidelity(candidates)
        if self.settings.comparison_seeds:
            comparisons = {
                task.name: self._compare(winner, task, place) for place, task in enumerate(self.evaluators.tasks)
            }
        verdict = Verdict(
            winner.loss,
            tuple(finalists),
            self._overall(comparisons),
            fidelity,
            winner.hyperparameters,
            comparisons if len(comparisons) > 1 else {},
            self._warn(candidates),
        )
        self.study.set_user_attr(STORED, {"basis": basis, **verdict.to_dict()})
        return verdict

    def _run(self, candidate: CandidateRecord, seed: int) -> Run:
        return self.sources[candidate.study].run(candidate, seed)

    def _rescore(self, candidates: Sequence[CandidateRecord]) -> list[Finalist]:
        """A search that tries hundreds also selects for luck; a fresh score does not know who was lucky."""
        seeds = fresh_seeds(self.settings.seed, "finalists", self.settings.finalist_seeds)
        runs = [self._run(candidate, seed) for candidate in candidates for seed in seeds]
        evaluations = self._evaluator("finalists", "partial", len(runs)).evaluate(runs)
        refuse_what_tells_nothing(evaluations)
        finalists = []
        for position, candidate in enumerate(candidates):
            own = evaluations[position * len(seeds) : (position + 1) * len(seeds)]
            finalists.append(
                Finalist(
                    study=candidate.study,
                    trial=candidate.trial,
                    searched=float(candidate.metric or 0.0),
                    metrics=tuple(evaluation.metric for evaluation in own),
                    mean=float(np.mean([evaluation.metric for evaluation in own])),
                    divergences=tuple(map(divergence, own)),
                )
            )
        return sorted(finalists, key=lambda each: (all(each.divergences), self.monitor.rank_key(each.mean)))

    def _warn(self, candidates: Sequence[CandidateRecord]) -> str:
        """Warn if the best candidate is no better than the same model, from the same seed, after a single batch."""
        tasks = self.evaluators.tasks
        # Of several tasks, an untrained model has 0 by definition.
        untrained = tasks[0].probe.metrics[self.monitor.name] if len(tasks) == 1 else 0.0
        best = self.monitor.best(each.metric for each in candidates if each.metric is not None)
        return learnt_nothing("The best candidate", best, untrained, self.monitor)

    def _check_fidelity(self, candidates: Sequence[CandidateRecord]) -> Fidelity:
        return measure_fidelity(
            candidates,
            self.settings.fidelity_sample,
            self._evaluator("fidelity", "full", self.settings.fidelity_sample),
            lambda candidate: self._run(candidate, self.settings.seed),
            self.monitor,
            max(task.full_epochs for task in self.evaluators.tasks),
        )

    def _compare(self, winner: Run, task: ProbedTask, place: int) -> Comparison:
        seeds = fresh_seeds(self.settings.seed, "comparison", self.settings.comparison_seeds)
        losses = rivals(winner.loss, task, self.settings.outputs, bool(winner.hyperparameters))
        found = {name: winner.hyperparameters for name in losses if name != BASELINES[self.settings.outputs]}
        monitor = task_monitor(self.settings)
        basis = {"epochs": task.full_epochs, "split": "test", **({"task": task.name} if task.name else {})}
        count = len(losses) * len(seeds)
        announce = partial(self._announce, "comparison", count * len(self.evaluators.tasks), count * place)
        evaluator = self._shared(self.evaluators.make_for(task, "full", "test"), "comparison", basis, monitor, announce)
        return compare_losses(losses, evaluator, monitor, seeds, "test", task.full_epochs, found, DISCOVERED)

    def _overall(self, comparisons: Mapping[str, Comparison]) -> Comparison | None:
        if len(comparisons) > 1:
            return compare_overall(comparisons, self.evaluators.references, self.monitor)
        return next(iter(comparisons.values()), None)

    def _evaluator(self, purpose: str, length: Length, count: int) -> SharedTrainings:
        epochs = [task.epochs if length == "partial" else task.full_epochs for task in self.evaluators.tasks]
        basis = {"epochs": epochs if len(epochs) > 1 else epochs[0], "split": "val"}
        announce = partial(self._announce, purpose, count, 0)
        return self._shared(self.evaluators.make(length), purpose, basis, self.monitor, announce)

    def _shared(
        self,
        evaluator: Evaluator,
        purpose: str,
        basis: Mapping[str, Any],
        monitor: Monitor,
        announce: Callable[[int], None],
    ) -> SharedTrainings:
        announce(0)
        attempts, batch = self.settings.attempts, self.evaluators.batch
        return SharedTrainings(evaluator, self.study, purpose, basis, monitor, attempts, batch, announce)

    def _announce(self, purpose: str, total: int, before: int, done: int) -> None:
        length = self.evaluators.tasks[0].relative_length
        ahead = trainings_ahead(self.settings, length, purpose)
        own = 1.0 if purpose == "finalists" else length
        self.progress.trainings(Trainings(purpose, before + done, total, own, ahead))
