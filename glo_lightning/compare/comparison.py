"""Compare losses by full trainings on the test split, with spread and p-values."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from glo_lightning.compare.statistics import detectable_difference, hedges_g, holm, paired, welch
from glo_lightning.errors import StudyError
from glo_lightning.hyperparameters import Hyperparameters
from glo_lightning.losses import Loss
from glo_lightning.training.monitor import Monitor, name_on_test
from glo_lightning.training.run import Evaluation, Evaluator, Run, Status

SIGNIFICANCE = 0.05
"""p-value, after Holm, under which a difference counts."""


@dataclass(frozen=True)
class Origin:
    """Where a loss of a comparison comes from.

    Args:
        cost: trainings that went into finding it; those of the comparison are not among them.
        note: what it is, where its name does not say it.
    """

    cost: int = 0
    note: str = ""


@dataclass(frozen=True)
class LossResult:
    """One loss's full trainings.

    Args:
        name: how the table calls the loss.
        metrics: the test metric of each seed, in the order of the seeds; the worst metric where training diverged.
        divergences: why the training with each seed diverged; empty texts for those that did not.
        mean: mean of the metrics.
        std: sample standard deviation (n - 1).
        difference: mean minus the reference's mean; None for the reference itself, and where all trainings of one of
            the two diverged, as for all that follow.
        low, high: 95% confidence interval of the difference (Welch).
        p_value: two-sided Welch's t-test against the reference.
        adjusted_p: the same, adjusted by Holm's method for all tests of the comparison.
        paired_p: p of the paired t-test over the seeds that all losses share, likewise adjusted.
        effect_size: the difference in standard deviations (Hedges' g); None without any spread, too.
        origin: where the loss comes from.
        validation: the metric of the same trainings on the validation split, as they ended; empty if it is not known.
    """

    name: str
    metrics: tuple[float, ...]
    divergences: tuple[str, ...]
    mean: float
    std: float
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    adjusted_p: float | None = None
    paired_p: float | None = None
    effect_size: float | None = None
    origin: Origin = field(default_factory=Origin)
    validation: tuple[float, ...] = ()

    @property
    def validation_mean(self) -> float | None:
        """Mean of what the trainings have on the validation split; None if that is not known."""
        return float(np.mean(self.validation)) if self.validation else None

    @property
    def num_diverged(self) -> int:
        """Trainings that diverged."""
        return sum(bool(reason) for reason in self.divergences)

    @property
    def is_measured(self) -> bool:
        """Whether at least one training did not diverge."""
        return self.num_diverged < len(self.metrics)


@dataclass(frozen=True)
class Comparison:
    """Losses side by side, each against one of them: the one in focus, or the first if there is none.

    Args:
        monitor: the metric and which way is up.
        split: the data the metric was measured on.
        seeds: the seeds every loss was trained with.
        epochs: epochs of each training.
        results: one per loss, the baseline first.
        focus: name of the loss that all others are compared with; None for the baseline.
        own: name of the loss that is the model's own; None if that is not known.
    """

    monitor: Monitor
    split: str
    seeds: tuple[int, ...]
    epochs: int | None
    results: tuple[LossResult, ...]
    focus: str | None = None
    own: str | None = None

    @property
    def title(self) -> str:
        """What was measured, e.g. "accuracy on the test split"."""
        name = re.sub(r"(?<![a-z])test(?![a-z])", "", name_on_test(self.monitor.name)).strip("_/-. ")
        split = {"val": "validation"}.get(self.split, self.split)
        return f"{name or self.monitor.name} on the {split} split"

    def result(self, name: str) -> LossResult:
        """Return the result of the loss called ``name``."""
        return next(result for result in self.results if result.name == name)

    @property
    def baseline(self) -> str:
        """Name of the first loss."""
        return self.results[0].name

    @property
    def reference(self) -> str:
        """Name of the loss that all others are compared with."""
        return self.baseline if self.focus is None else self.focus

    @property
    def ranked(self) -> tuple[LossResult, ...]:
        """The results as people are shown them: the rivals of the loss in focus, the strongest first, and then it.

        Rivals of which all trainings diverged come last. Without a loss in focus it is the order of the results.
        """
        if self.focus is None:
            return self.results
        rivals = [result for result in self.results if result.name != self.focus]
        rivals.sort(key=lambda result: (not result.is_measured, self.monitor.rank_key(result.mean)))
        return (*rivals, self.result(self.focus))

    @property
    def strongest(self) -> str | None:
        """Name of the rival of the loss in focus that did best; None if there is none that was ever measured."""
        rivals = [result for result in self.ranked if result.name != self.reference and result.is_measured]
        return rivals[0].name if rivals else None

    def best_on_validation(self, names: Collection[str]) -> str | None:
        """Return which of some losses did best on the validation split, of equals the one in focus.

        Args:
            names: of the losses.

        Returns:
            The name; None if it is not known how they do there.
        """
        known = [each for each in self.results if each.name in names and each.is_measured and each.validation]
        known.sort(key=lambda each: (self.monitor.rank_key(each.validation_mean or 0.0), each.name != self.reference))
        return known[0].name if known else None

    def against(self, name: str, reference: str) -> LossResult:
        """Return a loss's result with any other as its reference.

        Args:
            name: of the loss.
            reference: name of the other. One of the two is the comparison's reference, or p-values are adjusted for
                tests of all pairs.
        """
        if reference == self.reference:
            return self.result(name)
        if name == self.reference:
            return _turned(self.result(reference), self.result(name))
        pairs = {frozenset(pair) for pair in combinations([result.name for result in self.results], 2)}
        return _compare(self.result(name), self.result(reference), _adjusted(self.results, pairs))

    def detectable(self, name: str) -> float:
        """Return how small a difference between a loss and the reference these seeds could have shown."""
        sample, reference = self.result(name).metrics, self.result(self.reference).metrics
        return detectable_difference(sample, reference, tests=len(self.results) - 1)

    def beats(self, name: str, reference: str | None = None) -> bool:
        """Whether a loss is better than another, by default the baseline, by more than chance would have it."""
        result = self.against(name, self.baseline if reference is None else reference)
        if result.difference is None or result.adjusted_p is None:
            return False
        return self.monitor.gain(result.difference, over=0.0) > 0.0 and result.adjusted_p < SIGNIFICANCE

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Comparison":
        """Read what :meth:`to_dict` returned; what follows from the metrics is worked out anew."""
        results = {each["name"]: each for each in stored["results"]}
        return compare_metrics(
            {name: each["metrics"] for name, each in results.items()},
            Monitor(**stored["monitor"]),
            stored["seeds"],
            stored["split"],
            stored["epochs"],
            stored["focus"],
            {name: each["divergences"] for name, each in results.items()},
            stored.get("own"),
            {name: Origin(**each.get("origin", {})) for name, each in results.items()},
            {name: each.get("validation", ()) for name, each in results.items()},
        )


def compare_losses(
    losses: Mapping[str, Loss | None],
    evaluator: Evaluator,
    monitor: Monitor,
    seeds: Sequence[int],
    split: str = "test",
    epochs: int | None = None,
    hyperparameters: Mapping[str, Hyperparameters] | None = None,
    focus: str | None = None,
    own: str | None = None,
    origins: Mapping[str, Origin] | None = None,
) -> Comparison:
    """Train every loss with every seed and compare each with the one in focus, or with the first.

    Args:
        losses: names and losses, the baseline first; None for the model's own.
        evaluator: trains and scores; opens the split it was built for.
        monitor: the metric.
        seeds: the same for every loss; 2 or more.
        split: what the evaluator scores on, for the record.
        epochs: epochs of each training, for the record.
        hyperparameters: of the model with some of the losses, by the loss's name; with all others as configured.
        focus: name of the loss to compare all others with; None for the first.
        own: name of the loss that is the model's own, if that is known.
        origins: where losses come from, by their names, as far as that is to be told.

    Returns:
        The comparison.

    Raises:
        StudyError: if a training crashed, or all diverged.
    """
    evaluations = train_losses(losses, evaluator, seeds, hyperparameters)
    return compare_evaluations(evaluations, monitor, seeds, split, epochs, focus, own, origins)


def train_losses(
    losses: Mapping[str, Loss | None],
    evaluator: Evaluator,
    seeds: Sequence[int],
    hyperparameters: Mapping[str, Hyperparameters] | None = None,
) -> dict[str, list[Evaluation]]:
    """Train every loss with every seed, and return the evaluations by the names of the losses.

    Args:
        losses: by their names; None for the model's own.
        evaluator: trains and scores.
        seeds: the same for every loss.
        hyperparameters: as :func:`compare_losses` takes them.
    """
    own = hyperparameters or {}
    runs = [Run(loss, seed, hyperparameters=own.get(name, {})) for name, loss in losses.items() for seed in seeds]
    evaluations = iter(evaluator.evaluate(runs))
    return {name: [next(evaluations) for _ in seeds] for name in losses}


def compare_evaluations(
    evaluations: Mapping[str, Sequence[Evaluation]],
    monitor: Monitor,
    seeds: Sequence[int],
    split: str = "test",
    epochs: int | None = None,
    focus: str | None = None,
    own: str | None = None,
    origins: Mapping[str, Origin] | None = None,
) -> Comparison:
    """Compare finished trainings, each loss with the one in focus, or with the first.

    Args:
        evaluations: by the names of the losses, the baseline first; one per seed.
        monitor: the metric.
        seeds: the same for every loss; 2 or more.
        split: what was scored, for the record.
        epochs: epochs of each training, for the record.
        focus: name of the loss to compare all others with; None for the first.
        own: name of the loss that is the model's own, if that is known.
        origins: where losses come from, by their names, as far as that is to be told.

    Raises:
        StudyError: if a training crashed, because that says nothing about its loss, or if all diverged.
    """
    refuse_what_tells_nothing([each for trained in evaluations.values() for each in trained])
    metrics = {name: [each.metric for each in trained] for name, trained in evaluations.items()}
    divergences = {name: [divergence(each) for each in trained] for name, trained in evaluations.items()}
    validation = {name: _validated(trained, monitor) for name, trained in evaluations.items()}
    return compare_metrics(metrics, monitor, seeds, split, epochs, focus, divergences, own, origins, validation)


def _validated(evaluations: Sequence[Evaluation], monitor: Monitor) -> list[float]:
    """Return the last validation of each training, the worst metric where it diverged; nothing if one has none."""
    last = [monitor.worst_metric if divergence(each) else each.validated for each in evaluations]
    return [each for each in last if each is not None] if None not in last else []


def divergence(evaluation: Evaluation) -> str:
    """Return why a training diverged; an empty text if it did not."""
    return (evaluation.reason or "diverged") if evaluation.status is Status.DIVERGED else ""


def refuse_what_tells_nothing(evaluations: Sequence[Evaluation]) -> None:
    """Refuse trainings of which some crashed, which says nothing about a loss, or all diverged.

    Raises:
        StudyError: with the commonest reason.
    """
    crashes = [each.reason for each in evaluations if each.status is Status.FAILED]
    if crashes:
        raise StudyError(
            "trainings that run to their end",
            f"{len(crashes)} of {len(evaluations)} that crashed, most of them: {commonest(crashes)}",
            "Train the model once with its own loss, and mend the cause.",
        )
    divergences = [reason for each in evaluations if (reason := divergence(each))]
    if len(divergences) == len(evaluations):
        raise StudyError(
            "trainings that can be compared",
            f"{len(evaluations)} that all diverged, most of them: {commonest(divergences)}",
            "Lower the learning rate, or clip gradients with the Trainer's gradient_clip_val.",
        )


def commonest(reasons: Sequence[str]) -> str:
    """Return what occurs most often, the first of several."""
    return Counter(reasons).most_common(1)[0][0]


def compare_metrics(
    metrics: Mapping[str, Sequence[float]],
    monitor: Monitor,
    seeds: Sequence[int],
    split: str = "test",
    epochs: int | None = None,
    focus: str | None = None,
    divergences: Mapping[str, Sequence[str]] | None = None,
    own: str | None = None,
    origins: Mapping[str, Origin] | None = None,
    validation: Mapping[str, Sequence[float]] | None = None,
) -> Comparison:
    """Compare the metrics of finished trainings, each loss with the one in focus, or with the first.

    Args:
        metrics: by the names of the losses, the baseline first; one per seed.
        monitor: the metric.
        seeds: the same for every loss; 2 or more.
        split: what was scored, for the record.
        epochs: epochs of each training, for the record.
        focus: name of the loss to compare all others with; None for the first.
        divergences: why trainings diverged, by the names of the losses; one text per seed, empty if it did not.
        own: name of the loss that is the model's own, if that is known.
        origins: where losses come from, by their names, as far as that is to be told.
        validation: the metrics of the same trainings on the validation split, as far as they are known.

    Returns:
        The comparison.
    """
    reasons, told, validated = divergences or {}, origins or {}, validation or {}
    results = [
        LossResult(
            name,
            tuple(each),
            tuple(reasons.get(name, [""] * len(each))),
            float(np.mean(each)),
            float(np.std(each, ddof=1)),
            origin=told.get(name, Origin()),
            validation=tuple(validated.get(name, ())),
        )
        for name, each in metrics.items()
    ]
    reference = next((result for result in results if result.name == focus), results[0])
    adjusted = _adjusted(results, _pairs(results, reference.name))
    compared = tuple(_compare(result, reference, adjusted) for result in results)
    return Comparison(monitor, split, tuple(seeds), epochs, compared, focus, own)


def _pairs(results: Sequence[LossResult], reference: str) -> set[frozenset[str]]:
    """Return what a comparison tests: each loss with its reference."""
    return {frozenset((result.name, reference)) for result in results if result.name != reference}


def _adjusted(
    results: Sequence[LossResult], pairs: Collection[frozenset[str]]
) -> dict[frozenset[str], tuple[float, float]]:
    """Return the p-values of pairs, Welch's and paired, each adjusted for all pairs; of the unmeasured, nothing."""
    both = {pair: [result for result in results if result.name in pair] for pair in pairs}
    tested = {
        pair: (first.metrics, second.metrics)
        for pair, (first, second) in both.items()
        if first.is_measured and second.is_measured
    }
    by_welch = holm([welch(*metrics)[2] for metrics in tested.values()])
    by_pairs = holm([paired(*metrics) for metrics in tested.values()])
    return dict(zip(tested, zip(by_welch, by_pairs, strict=True), strict=True))


def _compare(
    result: LossResult, reference: LossResult, adjusted: Mapping[frozenset[str], tuple[float, float]]
) -> LossResult:
    """Return a result with its difference from another; without one if one of the two was never measured."""
    plain = LossResult(
        result.name, result.metrics, result.divergences, result.mean, result.std, origin=result.origin,
        validation=result.validation,
    )  # fmt: skip
    pair = frozenset((result.name, reference.name))
    if pair not in adjusted:
        return plain
    low, high, p_value = welch(result.metrics, reference.metrics)
    adjusted_p, paired_p = adjusted[pair]
    return replace(
        plain,
        difference=result.mean - reference.mean,
        low=low,
        high=high,
        p_value=p_value,
        adjusted_p=adjusted_p,
        paired_p=paired_p,
        effect_size=hedges_g(result.metrics, reference.metrics),
    )


def _turned(result: LossResult, reference: LossResult) -> LossResult:
    """Return the reference's result with the result's as its reference."""
    if result.difference is None or result.low is None or result.high is None:
        return reference
    return replace(
        reference,
        difference=-result.difference,
        low=-result.high,
        high=-result.low,
        p_value=result.p_value,
        adjusted_p=result.adjusted_p,
        paired_p=result.paired_p,
        effect_size=None if result.effect_size is None else -result.effect_size,
    )
