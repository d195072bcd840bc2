"""Whether a search would work and what it would cost, told before it begins."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from glo_lightning.errors import GloError
from glo_lightning.search.exploration.evaluators import EvaluatorFactory
from glo_lightning.search.exploration.forecast import Forecast
from glo_lightning.search.exploration.pace import Pace
from glo_lightning.search.monitors import task_monitor
from glo_lightning.search.progress import trainings_ahead
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.tasks import ProbedTask, predicted, probe
from glo_lightning.search.workers.work import torch_threads
from glo_lightning.training.choice import choose_evaluator
from glo_lightning.training.task import Task
from glo_lightning.training.traces import no_trace
from glo_lightning.words import duration

T = TypeVar("T")


@dataclass(frozen=True)
class Findings:
    """What a check of a search found.

    Args:
        problems: what must be mended first, each with its cure.
        notes: what the search would do, and at what cost.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        problems = [f"{place}. {each}" for place, each in enumerate(self.problems, 1)]
        verdict = f"{len(problems)} to mend before this search:" if problems else "This search can begin."
        return "\n".join([verdict, *problems, *self.notes])


@dataclass
class _Notebook:
    """Runs checks one after another, and keeps what they refuse."""

    task: str
    problems: list[str] = field(default_factory=list)

    def __call__(self, check: Callable[[], T]) -> T | None:
        try:
            return check()
        except GloError as error:
            said = f"for task {self.task}: {error}" if self.task else str(error)
            if said not in self.problems:
                self.problems.append(said)
            return None


@no_trace()
def check_search(settings: SearchSettings, tasks: Mapping[str, Task]) -> Findings:
    """Look for all problems of a search at once; writes nothing, and trains some to measure what they take.

    Args:
        settings: of the search.
        tasks: what would be trained, by name; one alone has an empty name.
    """
    problems: list[str] = []
    notes: list[str] = []
    tried: list[tuple[ProbedTask, Pace]] = []
    with torch_threads(settings.threads):
        for name, task in tasks.items():
            attempt = _Notebook(name)
            probed = probe(settings, name, task, attempt)
            prefix = f"{name}: " if name else ""
            if probed is not None:
                notes += [prefix + line for line in _describe(settings, probed)]
                if not attempt.problems:
                    lines, pace = _try_out(settings, probed)
                    notes += [prefix + line for line in lines]
                    tried.append((probed, pace))
            problems += attempt.problems
    if settings.time_budget is not None and tried and not problems:
        attempt = _Notebook("")
        notes += attempt(lambda: [_within(settings, tried)]) or []
        problems += attempt.problems
    return Findings(tuple(problems), tuple(notes))


def _describe(settings: SearchSettings, probed: ProbedTask) -> list[str]:
    found = probed.probe
    what = predicted(found.num_classes, settings.outputs)
    return [
        f"model: {found.num_weights:,} weights, {what} by {settings.outputs} outputs"
        + (f", {found.num_heads} heads" if found.num_heads > 1 else ""),
        f"metrics of validation: {', '.join(sorted(found.metrics))}; scored by {settings.monitor}, {settings.mode}",
        *found.caveat.splitlines(),
    ]


def _try_out(settings: SearchSettings, probed: ProbedTask) -> tuple[list[str], Pace]:
    """Say how candidates would train, how many, and how long all of it would take; return how fast, too."""
    said: list[str] = []
    factory = EvaluatorFactory(settings, [probed])
    together = -(-settings.candidates_per_generation // settings.workers)
    factory.way = choose_evaluator(
        settings.evaluator, probed.task, task_monitor(settings), settings.loss_attribute, together, said.append
    )
    pace = Pace.measure(factory)
    speed = f"{1e3 * pace.search:.3g} ms for a candidate"
    if settings.time_budget is not None:
        return [*said, f"candidates of {probed.epochs} epochs, {speed}"], pace
    candidates = settings.generation_count * settings.candidates_per_generation
    ahead = trainings_ahead(settings, probed.relative_length)
    return [
        *said,
        f"{candidates} candidates of {probed.epochs} epochs, and a verdict that takes as long as {ahead:.0f} more",
        f"about {duration(pace.search * candidates + pace.verdict * ahead)} of training, at {speed}",
    ], pace


def _within(settings: SearchSettings, tried: Sequence[tuple[ProbedTask, Pace]]) -> str:
    """Say how many generations fit into the settings' time; refuse one that is too short."""
    assert settings.budget_seconds is not None
    pace = Pace(sum(pace.search for _, pace in tried), sum(pace.verdict for _, pace in tried))
    forecast = Forecast.at_first(settings, tried[0][0].relative_length, pace)
    forecast.require_one()
    generations, size = forecast.fitting(), settings.candidates_per_generation
    return (
        f"{generations} generation{'s' * (generations > 1)} of {size} candidates fit into "
        f"{duration(settings.budget_seconds)}, the verdict included; more, where theory stops some of them"
    )
