"""A search, by the settings of the library and by what else is tried."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from glo_lightning.search.spaces.base import VectorSpace

BUDGETS = (16, 24, 32, 48, 96)


@dataclass(frozen=True)
class Variant:
    """A search: settings of the library, and what else is tried.

    Args:
        settings: of the search.
        space: other parameters than the settings ask for.
        units: what CMA-ES counts as 1 in some parameters.
        first: losses in the place of the first candidates, by their parameters.
        mean: start of the search instead of the settings'.
        make: the optimiser inside the engine.
        reseed: whether every generation trains with another seed.
        trainings: per candidate, with different seeds; their mean is its score.
        race: share of a generation that trains beyond half of the epochs; the others rank behind.
        choose: finalists out of all that were trained.
    """

    settings: Mapping[str, Any]
    space: Callable[[], VectorSpace] | None = None
    units: Mapping[str, float] = field(default_factory=dict)
    first: Sequence[Mapping[str, float]] = ()
    mean: Mapping[str, float] | None = None
    make: Callable[..., Any] | None = None
    reseed: bool = False
    trainings: int = 1
    race: float = 1.0
    choose: str = "best"
    budgets: Sequence[int] = BUDGETS

    def but(self, **changes: Any) -> "Variant":
        """Return the variant with some settings, or some of its own arguments, changed."""
        own = {name: value for name, value in changes.items() if name in Variant.__dataclass_fields__}
        settings = {name: value for name, value in changes.items() if name not in own}
        return replace(self, settings={**self.settings, **settings}, **own)

    def until(self, longest: int) -> "Variant":
        """Return the variant without longer budgets."""
        return replace(self, budgets=[each for each in self.budgets if each <= longest])
