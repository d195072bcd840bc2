"""Search engines: ask and tell, with nothing of Optuna, Lightning or storage in them.

An engine turns the judged candidates of one generation into the candidates of the next. It is
deterministic: candidate ``(generation, index)`` depends on the seed and on what was told before,
never on the order, the process or the number of times it is asked for. That is what lets any number
of workers build the same candidates apart from each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

C = TypeVar("C")


class Slot(NamedTuple):
    """The place of a candidate in a search: its generation, and its index in it."""

    generation: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which a slot has no use for


@dataclass(frozen=True, slots=True)
class Outcome(Generic[C]):
    """The verdict on one candidate, for the engine that proposed it.

    Args:
        candidate: what was evaluated.
        rank: how many of its generation are better: 0 for the best, the same for equals. All 0 is no ranking.
        score: higher is better; ``None`` when the candidate was stopped or rejected, diverged or failed.
    """

    candidate: C
    rank: int
    score: float | None


class Engine(Protocol[C]):
    """What a generational sampler needs of a search method."""

    @property
    def population_size(self) -> int:
        """Number of candidates P in a generation."""

    @property
    def generation(self) -> int:
        """Number of generations told so far; the one now being asked for."""

    def candidate(self, index: int) -> C:
        """Return candidate ``index``, 0 to P - 1, of the current generation: the same at every call."""

    def tell(self, outcomes: Sequence[Outcome[C]]) -> None:
        """Take the P outcomes of the current generation in order of index, and move to the next.

        Outcomes that tell no candidate from another move the search nowhere: the next generation is drawn as this one
        was.
        """

    def state(self) -> dict[str, Any]:
        """Describe where the search stands, as JSON, for people and reports."""


__all__ = ["C", "Engine", "Outcome", "Slot"]
