"""Lightning callbacks that train with a candidate loss and watch what it does."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glo_lightning.callbacks.adversarial_validation import AdversarialValidation
    from glo_lightning.callbacks.attraction import AttractionRecorder
    from glo_lightning.callbacks.injection import LossInjection
    from glo_lightning.callbacks.pruning import OptunaPruning

_HOMES = {
    "AdversarialValidation": "adversarial_validation",
    "AttractionRecorder": "attraction",
    "LossInjection": "injection",
    "OptunaPruning": "pruning",
}
__all__ = ["AdversarialValidation", "AttractionRecorder", "LossInjection", "OptunaPruning"]


def __getattr__(name: str) -> Any:
    # Lightning takes seconds to import and is fetched when a name is asked for.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from glo_lightning.environment import require_torchvision

    require_torchvision()
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
