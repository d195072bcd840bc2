"""Compare losses over several tasks at once."""

from collections.abc import Mapping, Sequence

from glo_lightning.compare.comparison import Comparison, compare_metrics
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.several_tasks import Reference


def compare_overall(
    comparisons: Mapping[str, Comparison], references: Mapping[str, Reference], monitor: Monitor
) -> Comparison:
    """Compare losses by the mean of what they achieve on every task relative to cross-entropy.

    What cross-entropy achieved in the search is 1; trained longer, it achieves more than that itself.

    Args:
        comparisons: of the same losses with the same seeds, by the names of the tasks; a loss that is not in all of
            them is left out.
        references: of the tasks.
        monitor: the mean.

    Returns:
        The comparison; its metric with a seed is the mean over the tasks with that seed, and a training that diverged
        on a task has achieved nothing there.
    """
    first = next(iter(comparisons.values()))
    common = [
        result.name
        for result in first.results
        if all(result.name in {each.name for each in comparison.results} for comparison in comparisons.values())
    ]
    metrics, divergences, validation = {}, {}, {}
    for name in common:
        results = {task: comparison.result(name) for task, comparison in comparisons.items()}
        metrics[name] = _achieved({task: result.metrics for task, result in results.items()}, references)
        validation[name] = _achieved({task: result.validation for task, result in results.items()}, references)
        reasons = [[f"{task}: {why}" * bool(why) for why in result.divergences] for task, result in results.items()]
        divergences[name] = ["; ".join(filter(None, each)) for each in zip(*reasons, strict=True)]
    return compare_metrics(
        metrics,
        monitor,
        first.seeds,
        first.split,
        focus=first.focus,
        divergences=divergences,
        own=first.own if first.own in common else None,
        origins={result.name: result.origin for result in first.results},
        validation=validation,
    )


def _achieved(metrics: Mapping[str, Sequence[float]], references: Mapping[str, Reference]) -> list[float]:
    """Return the means over the tasks of what the seeds achieve relative to cross-entropy; none if a task has none."""
    relative = [[references[task].relative(metric) for metric in each] for task, each in metrics.items()]
    return [sum(each) / len(each) for each in zip(*relative, strict=all(relative))]
