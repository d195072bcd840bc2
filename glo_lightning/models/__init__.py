"""Networks by name, and the LightningModules that train them."""

from typing import TYPE_CHECKING

from glo_lightning.environment import require_torchvision
from glo_lightning.lazy import lazy_names
from glo_lightning.models.activation import TaylorActivation
from glo_lightning.models.alexnet import alexnet
from glo_lightning.models.allcnn_c import allcnn_c
from glo_lightning.models.mlp import mlp
from glo_lightning.models.mnist_cnn import mnist_cnn
from glo_lightning.models.preresnet import preresnet
from glo_lightning.models.resnet import resnet
from glo_lightning.models.small_cnn import small_cnn
from glo_lightning.models.wide_resnet import wide_resnet

if TYPE_CHECKING:
    from glo_lightning.models.classifier import Classifier
    from glo_lightning.models.regressor import Regressor

__all__ = [
    "Classifier",
    "Regressor",
    "TaylorActivation",
    "alexnet",
    "allcnn_c",
    "mlp",
    "mnist_cnn",
    "preresnet",
    "resnet",
    "small_cnn",
    "wide_resnet",
]
# Networks need torch alone; Lightning takes seconds to import and is fetched when asked for.
__getattr__, __dir__ = lazy_names(
    __name__, {"classifier": ["Classifier"], "regressor": ["Regressor"]}, before=require_torchvision
)
