"""Optuna samplers that search generation by generation, with any number of workers and the same result."""

from typing import TYPE_CHECKING

from glo_lightning.lazy import lazy_names
from glo_lightning.search.engines import Slot

if TYPE_CHECKING:
    from glo_lightning.search.samplers.claims import SearchFinished
    from glo_lightning.search.samplers.cma_es import GenerationalCmaEsSampler
    from glo_lightning.search.samplers.generational import GenerationalSampler, SearchState
    from glo_lightning.search.samplers.genetic import GeneticSampler
    from glo_lightning.search.samplers.history import find_slot

__all__ = [
    "GenerationalCmaEsSampler",
    "GenerationalSampler",
    "GeneticSampler",
    "SearchFinished",
    "SearchState",
    "Slot",
    "find_slot",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "claims": ["SearchFinished"],
        "cma_es": ["GenerationalCmaEsSampler"],
        "generational": ["GenerationalSampler", "SearchState"],
        "genetic": ["GeneticSampler"],
        "history": ["find_slot"],
    },
)
