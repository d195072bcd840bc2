"""Networks by name, and the LightningModule that trains them."""

from typing import TYPE_CHECKING, Any

from glo_lightning.models.mlp import mlp
from glo_lightning.models.small_cnn import small_cnn

if TYPE_CHECKING:
    from glo_lightning.models.classifier import Classifier

__all__ = ["Classifier", "mlp", "small_cnn"]


def __getattr__(name: str) -> Any:
    # Networks need torch alone; Lightning takes seconds to import and is fetched when asked for.
    if name != "Classifier":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from glo_lightning.environment import require_torchvision

    require_torchvision()
    from glo_lightning.models.classifier import Classifier

    return Classifier
