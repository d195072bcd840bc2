"""A new model for every training, of one that somebody holds."""

import copy
import hashlib
import inspect
from collections.abc import Mapping
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

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
        self._arguments = None if start_from == "weights" or not _has_weights(model) else _arguments(model)

    def __call__(self) -> LightningModule:
        """Return a new model."""
        if self._arguments is None:
            return copy.deepcopy(self._model)
        return type(self._model)(**copy.deepcopy(self._arguments))


def weights_digest(model: LightningModule) -> str:
    """Tell weights and buffers apart, bit by bit, in words that are the same in every process."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if isinstance(value, Tensor) and has_numbers(value):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def has_numbers(tensor: Tensor) -> bool:
    """Whether a tensor's numbers can be looked at one by one: a lazy one has none yet, and a sparse one not all."""
    return tensor.layout is torch.strided and not (is_lazy(tensor) or tensor.is_meta or tensor.is_quantized)


SHOWN = 5
"""Of the differences between two models."""

CURE = (
    "Pass the class, or lambda: MyModel(...), which builds a new one for every training; or start_from='weights' "
    "to begin every training with the weights that it has."
)


def _arguments(model: LightningModule) -> dict[str, Any]:
    """Return what a model was built with, if it comes out the same."""
    # A base class that saves hyperparameters keeps arguments of its own as well, which the class does not take.
    taken, saved = inspect.signature(type(model)).parameters, model.hparams_initial
    missing = [name for name in taken if name not in saved]
    if missing:
        raise ModelError(
            "a model that can be built again with what its save_hyperparameters() kept",
            f"a {type(model).__name__} that did not keep {', '.join(missing)}",
            CURE,
        )
    kept = {name: saved[name] for name in taken}
    with_weights = [name for name, value in kept.items() if isinstance(value, nn.Module) and _has_weights(value)]
    if with_weights:
        raise ModelError(
            "a model that makes its networks itself, with new weights",
            f"a {type(model).__name__} that is given {', '.join(with_weights)}, weights and all",
            CURE,
        )
    built, again = (type(model)(**copy.deepcopy(kept)) for _ in range(2))
    changed = [*_differences(model, built), *_changed_buffers(model, built, again)]
    if changed:
        raise ModelError(
            "a model as its class makes it",
            f"a {type(model).__name__} that was changed afterwards: {', '.join(changed[:SHOWN])}",
            CURE,
        )
    return kept


def _differences(model: LightningModule, built: LightningModule) -> list[str]:
    """Return what differs between two models, apart from the values of their weights."""
    own, other = dict(model.named_modules()), dict(built.named_modules())
    names = {name or "the model" for name in own.keys() | other.keys() if repr(own.get(name)) != repr(other.get(name))}
    if not names and _weights(model) != _weights(built):
        names = {"its weights, or which of them are trained"}
    for name in own.keys() & other.keys():
        mine, theirs = _plain(vars(own[name])), _plain(vars(other[name]))
        differing = (each for each in mine.keys() | theirs.keys() if mine.get(each) != theirs.get(each))
        names |= {f"{name}.{each}" if name else each for each in differing}
    mine, theirs = _plain(model.hparams), _plain(built.hparams)
    names |= {f"hparams.{each}" for each in mine.keys() | theirs.keys() if mine.get(each) != theirs.get(each)}
    return sorted(names)


def _changed_buffers(model: LightningModule, built: LightningModule, again: LightningModule) -> list[str]:
    """Return the buffers, class weights of a loss for example, that have not the values which the class gives them.

    Apart from those that it draws at random, and from a normalisation's, which training learns as it does weights.
    """
    learnt = [module for module in model.modules() if hasattr(module, "running_mean")]
    own, first, second = dict(model.named_buffers()), dict(built.named_buffers()), dict(again.named_buffers())
    return [
        name
        for name in own.keys() & first.keys()
        if torch.equal(first[name], second[name]) and not torch.equal(own[name].to(first[name].device), first[name])
        if not any(own[name] is buffer for module in learnt for buffer in module.buffers())
    ]


def _has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())


def _weights(model: LightningModule) -> dict[str, tuple[Any, ...]]:
    """Return shapes of weights and buffers, and whether they are trained."""
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return {name: (tensor.shape, name in trained) for name, tensor in model.state_dict().items()}


def _plain(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return attributes that can be compared, in words."""
    return {
        name: f"{value.__module__}.{value.__qualname__}" if inspect.isfunction(value) else repr(value)
        for name, value in attributes.items()
        if not name.startswith("_") and (inspect.isfunction(value) or _is_plain(value))
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, [*value.keys(), *value.values()]))
    return value is None or isinstance(value, str | int | float)
