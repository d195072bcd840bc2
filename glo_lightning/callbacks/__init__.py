"""Lightning callbacks that train with a candidate loss and watch what it does."""

from typing import TYPE_CHECKING

from glo_lightning.environment import require_torchvision
from glo_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from glo_lightning.callbacks.adversarial_validation import AdversarialValidation
    from glo_lightning.callbacks.attraction import AttractionRecorder
    from glo_lightning.callbacks.injection import LossInjection
    from glo_lightning.callbacks.pruning import OptunaPruning

__all__ = ["AdversarialValidation", "AttractionRecorder", "LossInjection", "OptunaPruning"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "adversarial_validation": ["AdversarialValidation"],
        "attraction": ["AttractionRecorder"],
        "injection": ["LossInjection"],
        "pruning": ["OptunaPruning"],
    },
    before=require_torchvision,
)
