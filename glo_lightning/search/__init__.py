"""Search for a loss: ``LossSearch`` runs one, ``GenerationalCmaEsSampler`` serves any Optuna study."""

from typing import TYPE_CHECKING

from glo_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from glo_lightning.search.loss_search import LossSearch
    from glo_lightning.search.ranges import Range
    from glo_lightning.search.records.result import SearchResult
    from glo_lightning.search.samplers import GenerationalCmaEsSampler
    from glo_lightning.search.suggest import SuggestedSpace, suggest_loss

__all__ = ["GenerationalCmaEsSampler", "LossSearch", "Range", "SearchResult", "SuggestedSpace", "suggest_loss"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "loss_search": ["LossSearch"],
        "ranges": ["Range"],
        "records.result": ["SearchResult"],
        "samplers": ["GenerationalCmaEsSampler"],
        "suggest": ["SuggestedSpace", "suggest_loss"],
    },
)
