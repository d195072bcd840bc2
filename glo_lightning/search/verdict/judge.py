"""Choose the winner with fresh seeds, and compare it with what everybody trains with on the test split."""

from collections.abc import Mapping, Sequence

import numpy as np

from glo_lightning.compare.comparison import Comparison, compare_losses, divergence, refuse_what_tells_nothing
from glo_lightning.compare.overall import compare_overall
from glo_lightning.compare.rivals import BASELINES, KNOWN, OWN
from glo_lightning.compare.tables import learnt_nothing
from glo_lightning.search.exploration.context import Source
from glo_lightning.search.exploration.evaluators import EvaluatorFactory
from glo_lightning.search.exploration.rival import RivalSource
from glo_lightning.search.monitors import task_monitor
from glo_lightning.search.progress import Progress
from glo_lightning.search.records.candidates import (
    CandidateRecord,
    best_candidates,
    count_crashes,
    count_trained,
    read_candidates,
    require_differences,
)
from glo_lightning.search.records.verdict import DISCOVERED, STORED, Choice, Fidelity, Finalist, Verdict, asked
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.tasks import ProbedTask
from glo_lightning.search.verdict.fidelity import measure_fidelity
from glo_lightning.search.verdict.rivals import Rival, common_choices, line_up
from glo_lightning.search.verdict.trainings import VerdictTrainings
from glo_lightning.search.verdict.tuned import find_rivals
from glo_lightning.training.run import Run
from glo_lightning.training.seeds import fresh_seeds


class Judge:
    """Judges a finished search; several workers share the trainings and come to the same verdict.

    Args:
        settings: finalists, seeds and epochs.
        sources: the finished studies and what their candidates mean, the main one first.
        evaluators: make what trains.
        progress: told of every training.
        rival: the finished study that tuned cross-entropy; None for a verdict without rivals that must be found.
    """

    def __init__(
        self,
        settings: SearchSettings,
        sources: Sequence[Source],
        evaluators: EvaluatorFactory,
        progress: Progress,
        rival: RivalSource | None = None,
    ) -> None:
        self.settings = settings
        self.study = sources[0].study
        self.sources = {source.study.study_name: source for source in sources}
        self.evaluators = evaluators
        self.monitor = evaluators.monitor
        self.rival = rival
        self.trainings = VerdictTrainings(settings, self.study, evaluators, progress)

    def judge(self) -> Verdict:
        """Return the verdict: the stored one if nothing has changed since, else a new one."""
        candidates = [candidate for source in self.sources.values() for candidate in read_candidates(source.study)]
        basis = {"candidates": len(candidates), **asked(self.settings)}
        stored = self.study.user_attrs.get(STORED)
        if isinstance(stored, dict) and stored.get("basis") == basis:
            return Verdict.from_dict(stored)
        crashes = count_crashes(source.study for source in self.sources.values())
        finalists = self._rescore(best_candidates(candidates, self.monitor, self.settings.finalists, crashes))
        require_differences(candidates, [each.metrics for each in finalists], self.monitor)
        first = (finalists[0].study, finalists[0].trial)
        winner = self._run(next(each for each in candidates if (each.study, each.trial) == first))
        rivals = [] if self.rival is None else find_rivals(self.rival, self.trainings)
        fidelity = None
        comparisons: dict[str, Comparison] = {}
        lined_up: list[list[Rival]] = []
        if self.settings.fidelity_sample:
            fidelity = self._check_fidelity(candidates)
        if self.settings.comparison_seeds:
            cost = count_trained(candidates) + len(finalists) * self.settings.finalist_seeds
            tasks, outputs = self.evaluators.tasks, self.settings.outputs
            lined_up = [line_up(winner, cost, task, outputs, rivals) for task in tasks]
            comparisons = {task.name: self._compare(lined_up[place], task, place) for place, task in enumerate(tasks)}
        assert winner.loss is not None
        overall = self._overall(comparisons)
        verdict = Verdict(
            loss=winner.loss,
            finalists=tuple(finalists),
            comparison=overall,
            choice=self._choose(winner, overall, lined_up),
            fidelity=fidelity,
            hyperparameters=winner.hyperparameters,
            comparisons=comparisons if len(comparisons) > 1 else {},
            warning=self._warn(candidates),
            best_known=next((rival.loss for rival in rivals if rival.name.startswith(KNOWN)), None),
        )
        self.study.set_user_attr(STORED, {"basis": basis, **verdict.to_dict()})
        return verdict

    def _run(self, candidate: CandidateRecord) -> Run:
        return self.sources[candidate.study].run(candidate, self.settings.seed)

    def _rescore(self, candidates: Sequence[CandidateRecord]) -> list[Finalist]:
        """A search that tries hundreds also selects for luck; a fresh score does not know who was lucky."""
        scores = self.trainings.score_anew([self._run(candidate) for candidate in candidates], "finalists")
        refuse_what_tells_nothing([evaluation for own in scores for evaluation in own])
        finalists = [
            Finalist(
                study=candidate.study,
                trial=candidate.trial,
                searched=float(candidate.metric or 0.0),
                metrics=tuple(evaluation.metric for evaluation in own),
                mean=float(np.mean([evaluation.metric for evaluation in own])),
                divergences=tuple(map(divergence, own)),
            )
            for candidate, own in zip(candidates, scores, strict=True)
        ]
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
            self.trainings.evaluator("fidelity", "full", self.settings.fidelity_sample),
            self._run,
            self.monitor,
            max(task.full_epochs for task in self.evaluators.tasks),
        )

    def _compare(self, lined_up: Sequence[Rival], task: ProbedTask, place: int) -> Comparison:
        seeds = fresh_seeds(self.settings.seed, "comparison", self.settings.comparison_seeds)
        own = task.probe.own_loss
        return compare_losses(
            {rival.name: rival.loss for rival in lined_up},
            self.trainings.evaluator_on_test(task, place, len(lined_up) * len(seeds)),
            task_monitor(self.settings),
            seeds,
            epochs=task.full_epochs,
            hyperparameters={rival.name: rival.hyperparameters for rival in lined_up},
            focus=DISCOVERED,
            own=OWN if own else None if own is None else BASELINES[self.settings.outputs],
            origins={rival.name: rival.origin for rival in lined_up},
        )

    def _choose(self, winner: Run, comparison: Comparison | None, lined_up: Sequence[Sequence[Rival]]) -> Choice:
        """Choose the loss to take home by the validation split; the test split has no say."""
        assert winner.loss is not None
        if comparison is None:
            return Choice(DISCOVERED, winner.loss, winner.hyperparameters)
        choices = common_choices(lined_up)
        return choices[comparison.best_on_validation(choices) or DISCOVERED]

    def _overall(self, comparisons: Mapping[str, Comparison]) -> Comparison | None:
        if len(comparisons) > 1:
            return compare_overall(comparisons, self.evaluators.references, self.monitor)
        return next(iter(comparisons.values()), None)
