"""A new model for every training, of one that somebody holds."""

import copy
import inspect
from typing import Any, Literal

from lightning.pytorch import LightningModule

from glo_lightning.errors import ModelError

StartFrom = Literal["scratch", "weights"]
"""What trainings of a model begin with: weights of their own seed, or those that the model has."""


class NewModels:
    """Builds models like one that is given.

    From scratch they are built as it was: by ``configure_model``, if it has no weights yet, or else by its class with
    the arguments that ``save_hyperparameters`` kept, where that gives the same model.

    Args:
        model: is left as it is.
        start_from: scratch, or weights to fine-tune those that it has.

    Raises:
        ModelError: if it cannot be built again.

    Example:
        >>> import torch
        >>> from glo_lightning.models import Classifier, mlp
        >>> given = Classifier(mlp())
        >>> built = NewModels(given, "weights")()
        >>> built is given, torch.equal(next(built.parameters()), next(given.parameters()))
        (False, True)
    """

    def __init__(self, model: LightningModule, start_from: StartFrom = "scratch") -> None:
        self._model = copy.deepcopy(model)
        has_weights = any(True for _ in model.parameters())
        self._arguments = None if start_from == "weights" or not has_weights else _arguments(model)

    def __call__(self) -> LightningModule:
        """Return a new model."""
        if self._arguments is None:
            return copy.deepcopy(self._model)
        return type(self._model)(**self._arguments)


def _arguments(model: LightningModule) -> dict[str, Any]:
    """Return what a model was built with, if it comes out the same."""
    parameters = inspect.signature(type(model)).parameters.values()
    kept = dict(model.hparams_initial)
    missing = [each.name for each in parameters if each.name not in kept]
    cure = (
        "Pass the class, or lambda: MyModel(...), which builds a new one for every training; or start_from='weights' "
        "to begin every training with the weights that it has."
    )
    if missing:
        raise ModelError(
            "a model that can be built again with what its save_hyperparameters() kept",
            f"a {type(model).__name__} that did not keep {', '.join(missing)}",
            cure,
        )
    built = type(model)(**kept)
    changed = _differences(model, built)
    if changed:
        raise ModelError(
            "a model as its class makes it",
            f"a {type(model).__name__} that was changed afterwards: {', '.join(changed)}",
            cure,
        )
    return kept


def _differences(model: LightningModule, built: LightningModule) -> list[str]:
    """Return what differs between two models, apart from the values of their weights."""
    own, other = dict(model.named_modules()), dict(built.named_modules())
    names = [name or "the model" for name in own.keys() | other.keys() if repr(own.get(name)) != repr(other.get(name))]
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if not names and shapes != {name: tensor.shape for name, tensor in built.state_dict().items()}:
        names = ["its weights"]
    mine, theirs = _plain(model), _plain(built)
    return sorted(names) + sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))


def _plain(model: LightningModule) -> dict[str, Any]:
    """Return a model's attributes that can be compared."""
    return {
        name: value
        for name, value in vars(model).items()
        if not name.startswith("_")
        and (value is None or isinstance(value, str | int | float | tuple) or inspect.isfunction(value))
    }
