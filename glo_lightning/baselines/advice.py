"""What a leaderboard says about a search: whether it pays, of which family, from where, how long, at what cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from scipy import stats

from glo_lightning.baselines.leaderboard import Lead, Leaderboard, Row
from glo_lightning.baselines.trainings import Trained
from glo_lightning.checked import default_of
from glo_lightning.compare.comparison import SIGNIFICANCE
from glo_lightning.compare.rivals import RIVALS
from glo_lightning.compare.statistics import POWER
from glo_lightning.search.exploration.start import best_within
from glo_lightning.search.progress import trainings_ahead
from glo_lightning.search.settings import UNUSED, SearchSettings
from glo_lightning.search.spaces.asked import make_space
from glo_lightning.search.spaces.base import VectorSpace
from glo_lightning.search.spaces.hyperparameters import HyperparameterSpace, hyperparameters_of
from glo_lightning.search.spaces.located import locate
from glo_lightning.search.workers.work import with_learning_rate
from glo_lightning.words import duration

Answer = Literal["pays", "does not pay", "cannot be told"]

CANDIDATES_PER_PARAMETER = 10
"""Candidates of a search for each number that it searches. Source: RESULTS.md, how many candidates it takes."""

RIVALS_IN_A_VERDICT = 4
"""Tests among which a verdict shares its 5%: what everybody uses, its twin, the tuned rival, the best known loss."""

MOST_SEEDS = 64
"""More seeds than these are not asked for."""


@dataclass(frozen=True)
class Advice:
    """What a leaderboard says about a search.

    Args:
        answer: whether a search pays: whether what it finds will beat the tuned rival, and be no worse than the best
            known loss.
        headroom: by how much the best known loss is better than the tuned rival; None if one of the two diverged.
        reach: the same of the best known loss that the advised family contains.
        noise: standard deviation over seeds of the two losses that are compared.
        worthwhile: the difference that the search's verdict would show four times in five.
        best: the best of the leaderboard.
        settings: of a search, where others than those given are advised.
        epochs: advised, of a partial training.
        more_seeds: where it cannot be told, how many would tell; None if too many.
        sentences: the advice in words.
    """

    answer: Answer
    headroom: Lead | None
    reach: Lead | None
    noise: float
    worthwhile: float
    best: Row
    settings: Mapping[str, Any]
    epochs: int
    more_seeds: int | None
    sentences: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "answer": self.answer,
            "headroom": None if self.headroom is None else self.headroom.to_dict(),
            "reach": None if self.reach is None else self.reach.to_dict(),
            "noise": self.noise,
            "worthwhile": self.worthwhile,
            "best": str(self.best),
            "settings": dict(self.settings),
            "epochs": self.epochs,
            "advice": " ".join(self.sentences),
        }


def advise(settings: SearchSettings, trained: Trained) -> Advice:
    """Return what a leaderboard says about a search.

    The rule, in the order of its questions: a search does not pay where even the upper end of what it might gain is
    less than its verdict would show; nor where a loss that its family does not contain is certainly ahead of those that
    it does; it pays where a loss of its family is certainly ahead of the tuned rival; else it cannot be told.

    Args:
        settings: of the search that might follow.
        trained: what was trained before it.
    """
    board = trained.leaderboard
    aware = _awareness(board)
    aim = _Aim.of(settings, trained, aware)
    shapes = [row for row in board.rows if row.member.side == "shape"]
    usual = [row for row in board.rows if row.member.side != "shape"]
    inside = [row for row in shapes if aim.contains(row)]
    outside = [row for row in shapes if row not in inside]
    headroom, reach, ahead = board.lead(shapes, usual), board.lead(inside, usual), board.lead(outside, inside)
    noise = board.best().std if reach is None else reach.noise
    worthwhile = least_shown(noise, settings.comparison_seeds or 10)
    answer = _answer(reach, ahead, worthwhile)
    more = _more_seeds(reach, worthwhile, settings.baseline_seeds) if answer == "cannot be told" else None
    sentences = [
        _verdict(answer, headroom, ahead, worthwhile, settings),
        _use(answer, board, more),
        _tell_search(answer, aim, board),
        *_tell_awareness(aware, trained.class_counts),
        _tell_length(board, aim.epochs),
        _cost(replace(settings, **aim.changes), board, aim),
    ]
    told = tuple(filter(None, sentences))
    return Advice(answer, headroom, reach, noise, worthwhile, board.best(), aim.changes, aim.epochs, more, told)


@dataclass(frozen=True)
class _Aim:
    """The search that is advised.

    Args:
        changes: settings where others than those given are advised.
        space: of its losses.
        hyperparameters: that are searched along.
        epochs: of a partial training.
        candidates: how many.
    """

    changes: dict[str, Any]
    space: VectorSpace
    hyperparameters: HyperparameterSpace
    epochs: int
    candidates: int

    @classmethod
    def of(cls, settings: SearchSettings, trained: Trained, aware: Lead | None) -> "_Aim":
        """Return the search of the family that suits the outputs, of a size and a length that were measured."""
        board, task = trained.leaderboard, trained.task
        changes = _family(settings) | ({"class_aware": True} if _is_certain(aware) else {})
        searched = with_learning_rate(replace(settings, **changes), [task])
        hyperparameters = hyperparameters_of(task.task, searched.joint)
        counts = trained.class_counts if searched.class_aware else ()
        num_heads, mean, sigma = task.probe.num_heads, task.targets.mean, task.targets.sigma
        space = make_space(searched, task.num_classes, num_heads, counts, mean, sigma)
        dimensions, population = len(space.distributions), searched.candidates_per_generation
        dimensions += len(hyperparameters.distributions)
        changes["generations"] = math.ceil(CANDIDATES_PER_PARAMETER * dimensions / population)
        epochs = _partial_epochs(settings, board)
        if epochs != task.epochs:
            changes["comparison_epochs"] = board.epochs
        return cls(changes, space, hyperparameters, epochs, changes["generations"] * population)

    def contains(self, row: Row) -> bool:
        """Whether its family contains a loss."""
        return row.member.loss is not None and locate(self.space, row.member.loss, row.rate) is not None


def least_shown(noise: float, seeds: int) -> float:
    r"""Return the difference that a verdict with so many seeds would show four times in five.

    .. math:: (t_{1 - \alpha / 2m} + t_{0.8})\, s \sqrt{2 / n}

    Args:
        noise: s, the standard deviation over seeds.
        seeds: n, of each loss.
    """
    quantiles = stats.t.ppf([1.0 - SIGNIFICANCE / 2.0 / RIVALS_IN_A_VERDICT, POWER], 2 * seeds - 2)
    return float(quantiles.sum() * noise * math.sqrt(2.0 / seeds))


def _answer(reach: Lead | None, ahead: Lead | None, worthwhile: float) -> Answer:
    if reach is None or reach.high <= worthwhile or _is_certain(ahead):
        return "does not pay"
    return "pays" if _is_certain(reach) else "cannot be told"


def _family(settings: SearchSettings) -> dict[str, Any]:
    """Return the settings that lead to the advised family, those included that others have no use for."""
    family: Literal["residual", "drive"] = "residual" if settings.outputs == "real" else "drive"
    by_name = {each.name: each for each in fields(SearchSettings)}
    unused = [name for name in UNUSED[family] if getattr(settings, name) != default_of(by_name[name])]
    return {"family": family, "start": "baselines"} | {name: default_of(by_name[name]) for name in unused}


def _awareness(board: Leaderboard) -> Lead | None:
    """Return by how much losses that know the classes' frequencies are better than others; None without any."""
    aware = [row for row in board.rows if row.member.knows_classes]
    return board.lead(aware, [row for row in board.rows if not row.member.knows_classes])


def _partial_epochs(settings: SearchSettings, board: Leaderboard) -> int:
    epochs = board.partial_epochs()
    return epochs if settings.abort_epoch is None else max(epochs, settings.abort_epoch + 2)


def _more_seeds(reach: Lead | None, worthwhile: float, seeds: int) -> int | None:
    """Return how many seeds would tell, if the estimate stayed what it is; None if too many."""
    assert reach is not None
    half = (reach.high - reach.low) / 2.0
    needed = max(reach.gain, worthwhile - reach.gain)
    wanted = math.ceil(seeds * (half / needed) ** 2)
    return max(wanted, 2 * seeds) if wanted <= MOST_SEEDS else None


def _verdict(
    answer: Answer, headroom: Lead | None, ahead: Lead | None, worthwhile: float, settings: SearchSettings
) -> str:
    """Say whether a search pays, and by what that was told."""
    told = {
        "pays": "A search pays",
        "does not pay": "A search does not pay",
        "cannot be told": f"Whether a search pays cannot be told with {settings.baseline_seeds} seeds",
    }[answer]
    if headroom is None:
        return f"{told}: there is nothing to compare {RIVALS[settings.outputs]} with, for all else diverged."
    over = f"{headroom.over}, the best of {RIVALS[settings.outputs]}"
    if _is_certain(headroom):
        shown = f"{headroom.name} is ahead of {over}"
    elif headroom.high > worthwhile:
        shown = f"{headroom.name} may be ahead of {over}"
    else:
        shown = f"{headroom.name} is not ahead of {over}, by as much as a verdict would show"
    if answer == "does not pay" and headroom.gain > 0.0 and _is_certain(ahead):
        shown += f"; no family of a search contains it, or anything as good ({ahead})"
    return f"{told}: {shown}."


def _is_certain(lead: Lead | None) -> bool:
    return lead is not None and lead.low > 0.0


def _use(answer: Answer, board: Leaderboard, more: int | None) -> str:
    """Say what to do without a search."""
    best = board.best()
    if answer == "does not pay":
        return f"Train with {best}."
    if answer == "cannot be told":
        seeds = "No reasonable number of seeds" if more is None else f"{more} seeds"
        return f"{seeds} would tell; until then, train with {best}."
    return ""


def _tell_search(answer: Answer, aim: _Aim, board: Leaderboard) -> str:
    """Say what a search would be of, and where it begins."""
    start = best_within(board.baselines(), aim.space, aim.hyperparameters)
    begin = "at cross-entropy" if start is None else f"from {start[0]}"
    search = "A search all the same" if answer == "does not pay" else "The search"
    return f"{search}: {aim.changes['family']} losses, beginning {begin}."


def _tell_awareness(aware: Lead | None, class_counts: tuple[int, ...]) -> list[str]:
    if aware is None:
        return []
    ratio = max(class_counts) / min(class_counts)
    advised = "class_aware" if _is_certain(aware) else "they are not needed"
    return [f"Classes are unbalanced, {ratio:.3g} to 1, and losses that know it gain {aware}: {advised}."]


def _tell_length(board: Leaderboard, epochs: int) -> str:
    correlations = board.rank_correlations()
    if not correlations or board.epochs == 1:
        return ""
    if epochs == board.epochs:
        return f"Partial trainings need all {epochs} epochs: fewer rank losses otherwise."
    correlation = correlations[math.ceil(epochs * len(correlations) / board.epochs) - 1]
    return f"Partial trainings of {epochs} epochs rank losses as all {board.epochs} do (Spearman {correlation:.2f})."


def _cost(settings: SearchSettings, board: Leaderboard, aim: _Aim) -> str:
    """Say how many candidates a search needs, and what they and its verdict take."""
    full = board.epochs / aim.epochs
    seconds = board.seconds / full * (aim.candidates + trainings_ahead(settings, full))
    return f"{aim.candidates} candidates are enough; with the verdict they take about {duration(seconds)}."
