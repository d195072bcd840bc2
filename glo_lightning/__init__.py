"""glo_lightning finds a better loss function for a PyTorch Lightning model."""

from typing import TYPE_CHECKING

from glo_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from glo_lightning.callbacks import LossInjection
    from glo_lightning.losses import load_loss
    from glo_lightning.search import GenerationalCmaEsSampler, LossSearch, suggest_loss

__version__ = "0.1.0"
__all__ = ["GenerationalCmaEsSampler", "LossInjection", "LossSearch", "load_loss", "suggest_loss"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "callbacks": ["LossInjection"],
        "losses": ["load_loss"],
        "search": ["GenerationalCmaEsSampler", "LossSearch", "suggest_loss"],
    },
)
