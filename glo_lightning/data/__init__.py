"""Data modules: the digits that come with scikit-learn, torchvision's image sets, and folders of images."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glo_lightning.data.digits import DigitsDataModule
    from glo_lightning.data.folder import FolderDataModule
    from glo_lightning.data.image_data import ImageDataModule
    from glo_lightning.data.stand_in import StandInDataModule
    from glo_lightning.data.tensor_data import Splits, TensorData, TensorDataModule
    from glo_lightning.data.transforms import Augmentation
    from glo_lightning.data.vision import VisionDataModule

_HOMES = {
    "Augmentation": "transforms",
    "DigitsDataModule": "digits",
    "FolderDataModule": "folder",
    "ImageDataModule": "image_data",
    "Splits": "tensor_data",
    "StandInDataModule": "stand_in",
    "TensorData": "tensor_data",
    "TensorDataModule": "tensor_data",
    "VisionDataModule": "vision",
}
__all__ = [
    "Augmentation",
    "DigitsDataModule",
    "FolderDataModule",
    "ImageDataModule",
    "Splits",
    "StandInDataModule",
    "TensorData",
    "TensorDataModule",
    "VisionDataModule",
]


def __getattr__(name: str) -> Any:
    # Lightning takes seconds to import and is fetched when a name is asked for.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from glo_lightning.environment import require_torchvision

    require_torchvision()
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
