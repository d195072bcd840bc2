"""Optuna samplers that search generation by generation, with any number of workers and the same result."""

from glo_lightning.search.engines import Slot
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
