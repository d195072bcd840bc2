"""Data modules: scikit-learn's digits and diabetes, torchvision's images, folders of images, corruptions of any."""

from typing import TYPE_CHECKING

from glo_lightning.environment import require_torchvision
from glo_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from glo_lightning.data.corrupted import CorruptedDataModule
    from glo_lightning.data.diabetes import DiabetesDataModule
    from glo_lightning.data.digits import DigitsDataModule
    from glo_lightning.data.folder import FolderDataModule
    from glo_lightning.data.image_data import ImageDataModule
    from glo_lightning.data.stand_in import StandInDataModule
    from glo_lightning.data.tensor_data import Splits, TensorDataModule
    from glo_lightning.data.transforms import Augmentation
    from glo_lightning.data.vision import VisionDataModule

__all__ = [
    "Augmentation",
    "CorruptedDataModule",
    "DiabetesDataModule",
    "DigitsDataModule",
    "FolderDataModule",
    "ImageDataModule",
    "Splits",
    "StandInDataModule",
    "TensorDataModule",
    "VisionDataModule",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "corrupted": ["CorruptedDataModule"],
        "diabetes": ["DiabetesDataModule"],
        "digits": ["DigitsDataModule"],
        "folder": ["FolderDataModule"],
        "image_data": ["ImageDataModule"],
        "stand_in": ["StandInDataModule"],
        "tensor_data": ["Splits", "TensorDataModule"],
        "transforms": ["Augmentation"],
        "vision": ["VisionDataModule"],
    },
    before=require_torchvision,
)
