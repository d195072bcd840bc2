"""Read a study back: one record per candidate, one summary per generation."""

import statistics
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from glo_lightning.compare.comparison import commonest
from glo_lightning.errors import StudyError
from glo_lightning.options import option
from glo_lightning.search.engines import Slot
from glo_lightning.search.spaces.base import LossSpace
from glo_lightning.search.spaces.stored import space_of
from glo_lightning.search.storage.attributes import Attributes
from glo_lightning.search.storage.study import FINGERPRINT
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Status

Writer = Callable[[Mapping[str, Any]], str]
"""Writes the loss that parameters stand for as text."""


@dataclass(frozen=True)
class CandidateRecord:
    """One finished candidate.

    Args:
        study: name of its study.
        trial: number of its Optuna trial.
        generation: from 0.
        index: place in the generation, from 0.
        metric: the monitored metric; None if it was not trained to the end, or diverged.
        parameters: what the sampler proposed: numbers, or an expression.
        written: the loss in Unicode, if the study keeps it.
        status: how it ended: a training status, or why it was not trained: "violated" (by the invariant), "screened"
            or "repeated".
        reason: why it ended early, or empty.
        seconds: training time.
        theory: drive, curvature, ratio and verdicts at the null epoch.
        step: the step of the screen that stopped it, or empty.
        origin: of a tree: where it comes from, as :class:`GeneticSampler` tells.
        metrics: the metric on each task, by its name, of a search on several.
        write: writes the loss in Unicode from the parameters where the study does not keep it.
    """

    study: str
    trial: int
    generation: int
    index: int
    metric: float | None
    parameters: dict[str, Any]
    written: str
    status: str
    reason: str
    seconds: float
    theory: dict[str, Any] = field(default_factory=dict)
    step: str = ""
    origin: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    write: Writer | None = field(default=None, repr=False, compare=False)

    @cached_property
    def formula(self) -> str:
        """The loss in Unicode, written when somebody looks; empty for trees that were stopped before training."""
        if self.written or self.write is None or self.status in (SCREENED, REPEATED):
            return self.written
        return self.write(self.parameters)

    @property
    def slot(self) -> Slot:
        """Generation and index."""
        return Slot(self.generation, self.index)


@dataclass(frozen=True)
class GenerationSummary:
    """What one generation brought.

    Args:
        generation: from 0.
        best: the best metric, None if no candidate has one.
        median: the median metric of the trained candidates.
        trained: candidates that were trained.
        stopped: candidates that were not trained: by the invariant, the screen, or as repetitions.
        size: candidates that have a verdict.
        seconds: training time of all of them.
        fates: how many draws ended how: ``"trained"``, or by what they were stopped: a step of the screen or
            ``"violated"``. Draws that were refused before they became candidates count, too.
    """

    generation: int
    best: float | None
    median: float | None
    trained: int
    stopped: int
    size: int
    seconds: float
    fates: dict[str, int]


BASELINE_SCORE = "baseline"
"""User attribute of a search's study: name and metric of its baseline."""


@dataclass(frozen=True)
class BaselineScore:
    """What everybody trains with, in the training of a candidate.

    Args:
        name: what tables call it.
        metric: the monitored one.
    """

    name: str
    metric: float


def baseline_of(study: optuna.Study) -> BaselineScore | None:
    """Return what a search's candidates are seen beside; None if it is not known."""
    attributes = Attributes.of_study(study)
    if BASELINE_SCORE not in attributes:
        return None
    baseline = attributes.inside(BASELINE_SCORE)
    return BaselineScore(baseline.text("name"), baseline.number("metric"))


def read_candidates(study: optuna.Study) -> list[CandidateRecord]:
    """Return the candidates that have a verdict, in the order of generation and index.

    A candidate that was tried twice, because a worker died or was late, appears once: its first verdict counts.

    Raises:
        StudyError: if somebody else wrote into the trials of the search, so that they cannot be read.
    """
    records: dict[tuple[int, int], CandidateRecord] = {}
    write = formula_writer(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
        attributes = Attributes.of_trial(study.study_name, trial)
        if "generation" in attributes:
            record = _read(study.study_name, trial, attributes, write)
            records.setdefault((record.generation, record.index), record)
    return [records[slot] for slot in sorted(records)]


def formula_writer(study: optuna.Study) -> Writer:
    """Return what writes a study's candidates as text; it reads the study when it is first asked."""

    @cache
    def space() -> LossSpace | None:
        return space_of(study) if FINGERPRINT in study.user_attrs else None

    def write(parameters: Mapping[str, Any]) -> str:
        found = space()
        return "" if found is None else found.build(parameters).formula("unicode")

    return write


def _read(study: str, trial: FrozenTrial, attributes: Attributes, write: Writer) -> CandidateRecord:
    generation, training = attributes.count("generation"), attributes.inside("training")
    if "expression" in attributes:
        attributes.text("expression")
    status = training.text("status", "")
    return CandidateRecord(
        study=study,
        trial=trial.number,
        generation=generation,
        index=attributes.count("index"),
        # Optuna gives a trial that was stopped early its last report as a value, and we one that diverged the worst.
        metric=trial.value if trial.state == TrialState.COMPLETE and status != Status.DIVERGED else None,
        parameters=proposal(trial),
        written=attributes.text("formula", ""),
        status=status,
        reason=training.text("reason", ""),
        seconds=training.number("seconds", 0.0),
        theory=attributes.inside("theory").values,
        step=training.text("step", ""),
        origin=_read_origin(attributes.inside("origin"), generation),
        metrics=attributes.numbers("metrics"),
        write=write,
    )


def _read_origin(origin: Attributes, generation: int) -> dict[str, Any]:
    """Return where a tree comes from: from earlier generations, so that a line of ancestors ends."""
    if origin.values:
        origin.text("operation")
        origin.texts("mutations")
        origin.slots("parents", before=generation)
        origin.counts("refused")
        if origin.values.get("repeats") is not None:
            Attributes({"repeats": [origin.values["repeats"]]}, origin.where).slots("repeats", before=generation + 1)
    return origin.values


def ranked(candidates: Iterable[CandidateRecord], monitor: Monitor) -> list[CandidateRecord]:
    """Return the candidates that trained to the end and did not diverge, best first."""
    scored = [(monitor.rank_key(each.metric), each) for each in candidates if each.metric is not None]
    return [each for _, each in sorted(scored, key=lambda pair: pair[0])]


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
    diverged = [candidate.reason for candidate in candidates if candidate.status == Status.DIVERGED]
    stopped = f"{len(candidates) - len(diverged)} that were stopped before"
    if diverged:
        raise StudyError(
            "at least one candidate that trained",
            f"{len(diverged)} that diverged, most of them: {commonest(diverged)}; and {stopped}",
            "Lower the learning rate, or clip gradients with the Trainer's gradient_clip_val.",
        )
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
        f"Raise {option('population_size')}, or use {option('on_violation', 'resample')} or "
        f"{option('invariant', 'none')}.",
    )


TELL_APART = "monitor what tells them apart, such as a loss with mode=min, validate on more data, or train longer"
"""What helps where candidates are alike."""


def are_alike(candidates: Iterable[CandidateRecord]) -> bool:
    """Tell whether two or more candidates trained, and all have the same metric."""
    metrics = [candidate.metric for candidate in candidates if candidate.metric is not None]
    return len(metrics) > 1 and len(set(metrics)) == 1


def require_differences(
    candidates: Sequence[CandidateRecord], rescored: Collection[tuple[float, ...]], monitor: Monitor
) -> None:
    """Refuse candidates that are alike, and stay so with fresh seeds: there is nothing to choose by.

    Args:
        candidates: of a search.
        rescored: metrics of each finalist with the same fresh seeds.
        monitor: the metric.

    Raises:
        StudyError: if two or more trained, and neither in the search nor again any did better than another.
    """
    trained = [candidate for candidate in candidates if candidate.metric is not None]
    if are_alike(trained) and len(set(rescored)) == 1:
        raise StudyError(
            f"candidates that differ in {monitor.name}",
            f"{len(trained)} that all have {trained[0].metric:.6g}, and none of which did better than another with "
            "fresh seeds, so that there is nothing to choose by",
            f"{TELL_APART.capitalize()}; see to it that what is validated is what trains, where weights are averaged "
            "or frozen.",
        )


def proposal(trial: Trial | FrozenTrial) -> dict[str, Any]:
    """Return what the sampler proposed: the trial's parameters, or its expression."""
    expression = trial.user_attrs.get("expression")
    return dict(trial.params) if expression is None else {"expression": expression}


def count_crashes(studies: Iterable[optuna.Study]) -> Counter[str]:
    """Count the trainings that crashed, by their reasons; candidates that were given back did not."""
    failed = (
        Attributes.of_trial(study.study_name, trial)
        for study in studies
        for trial in study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    )
    return Counter(trial.inside("training").text("reason") for trial in failed if "training" in trial)


def monitor_of(study: optuna.Study) -> Monitor:
    """Return the metric of a search's study."""
    name = (study.metric_names or ["score"])[0]
    return Monitor(name, "max" if study.direction == StudyDirection.MAXIMIZE else "min")


def summarize_generations(candidates: Sequence[CandidateRecord], monitor: Monitor) -> list[GenerationSummary]:
    """Summarise every generation that has a candidate, in order."""
    generations: dict[int, list[CandidateRecord]] = {}
    for candidate in candidates:
        generations.setdefault(candidate.generation, []).append(candidate)
    return [_summarize(generation, members, monitor) for generation, members in sorted(generations.items())]


def complete_generations(summaries: Sequence[GenerationSummary], population_size: int) -> list[GenerationSummary]:
    """Return the generations of which nothing is missing.

    A generation is also complete when the next one has begun: candidates that only failed are not listed.
    """
    return [summary for summary in summaries if summary.size == population_size or summary is not summaries[-1]]


def _summarize(generation: int, members: Sequence[CandidateRecord], monitor: Monitor) -> GenerationSummary:
    metrics = [member.metric for member in members if member.metric is not None]
    trained = count_trained(members)
    return GenerationSummary(
        generation=generation,
        best=monitor.best(metrics) if metrics else None,
        median=statistics.median(metrics) if metrics else None,
        trained=trained,
        stopped=len(members) - trained,
        size=len(members),
        seconds=sum(member.seconds for member in members),
        fates=dict(count_fates(members)),
    )


def count_trained(candidates: Iterable[CandidateRecord]) -> int:
    """Count the candidates that nothing stopped before they trained."""
    return sum(candidate.status not in (VIOLATED, SCREENED, REPEATED) for candidate in candidates)


def count_fates(candidates: Iterable[CandidateRecord]) -> Counter[str]:
    """Count the draws by how they ended; see :class:`GenerationSummary`."""
    fates: Counter[str] = Counter()
    for candidate in candidates:
        fates.update(candidate.origin.get("refused", {}))
        stopped = candidate.step or (VIOLATED if candidate.status == VIOLATED else "")
        fates[stopped or TRAINED] += 1
    return fates


VIOLATED = "violated"
"""The status of a candidate that the invariant stopped before training."""

SCREENED = "screened"
"""The status of a tree that the screen stopped before training."""

REPEATED = "repeated"
"""The status of a tree that trains as an earlier one does, whose score it shares."""

TRAINED = "trained"
"""The fate of a draw that nothing stopped before training."""
