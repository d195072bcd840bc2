"""Search for a loss: ``LossSearch`` runs one, ``GenerationalCmaEsSampler`` serves any Optuna study."""

from typing import TYPE_CHECKING, Any

from glo_lightning.search.loss_search import LossSearch
from glo_lightning.search.ranges import Range

if TYPE_CHECKING:
    from glo_lightning.search.records.result import SearchResult
    from glo_lightning.search.samplers import GenerationalCmaEsSampler

__all__ = ["GenerationalCmaEsSampler", "LossSearch", "Range", "SearchResult"]


def __getattr__(name: str) -> Any:
    # Optuna and torch load only when a search needs them, so that --help is quick.
    if name == "GenerationalCmaEsSampler":
        from glo_lightning.search.samplers import GenerationalCmaEsSampler

        return GenerationalCmaEsSampler
    if name == "SearchResult":
        from glo_lightning.search.records.result import SearchResult

        return SearchResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
