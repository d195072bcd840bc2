"""What a module's own loss promises of its value, and a candidate that takes its place keeps."""

import copy
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor, nn

from glo_lightning.errors import ModelError
from glo_lightning.losses.options import Reduction
from glo_lightning.losses.wrapped import WrappedLoss

OPTIONS = ("reduction", "ignore_index", "weight", "pos_weight", "label_smoothing", "smoothing")
"""What losses call their options, be they modules with such attributes or functions with such parameters."""

OF_PROBABILITIES = ("BCELoss", "binary_cross_entropy")
"""Losses in torch that take probabilities. Log-probabilities, as NLLLoss takes them, are logits."""


@dataclass(frozen=True)
class Promises:
    """What is known of a loss that is to be replaced.

    Args:
        name: what it is called.
        reduction: over the batch; None if that cannot be known before it is called.
        ignore_index: label of what costs nothing and does not count, or None.
        lacking: what it has and a candidate does without.
        are_known: whether its options can be read off it.
    """

    name: str
    reduction: Reduction | None
    ignore_index: int | None
    lacking: tuple[str, ...]
    are_known: bool

    @classmethod
    def of(cls, own: Callable[..., Any]) -> "Promises":
        """Read the options off a loss: a module, a function, or a function with some arguments filled in.

        Raises:
            ModelError: if it takes probabilities, which would be no logits for a candidate.

        Example:
            >>> Promises.of(nn.CrossEntropyLoss(ignore_index=255, label_smoothing=0.1)).caveat
            'Candidates do without label_smoothing=0.1 of CrossEntropyLoss, which they replace.'
            >>> Promises.of(functools.partial(nn.functional.cross_entropy, reduction="sum")).reduction
            'sum'
        """
        name, options = _name(own), _options(own)
        if name in OF_PROBABILITIES:
            raise ModelError(
                "a loss of logits to replace",
                f"{name}, which takes probabilities",
                "Leave the sigmoid out of the model, and use BCEWithLogitsLoss, which is the same.",
            )
        reduction = "mean" if options.get("reduction") == "batchmean" else options.get("reduction")
        index = options.get("ignore_index")
        return cls(
            name,
            reduction if reduction in get_args(Reduction) else None,
            index if isinstance(index, int) else None,
            _lacking(own, options),
            "reduction" in options,
        )

    @property
    def caveat(self) -> str:
        """What candidates do without, in one line; empty if that is nothing."""
        if not self.are_known:
            return (
                f"Candidates replace {self.name}, whose options cannot be known: "
                "class weights and ignored labels, if it has them, they do without."
            )
        if not self.lacking:
            return ""
        return f"Candidates do without {' and '.join(self.lacking)} of {self.name}, which they replace."


class Replacement(nn.Module):
    """A candidate in the place of a module's own loss, whose reduction and ignored labels it keeps.

    The candidate stays as it is: it is called through a view of it with the other reduction, for the labels that are
    not ignored. Of a loss whose reduction cannot be known, or is none, the first value is asked for, because
    weights of samples and the like need values of the same shape.

    Args:
        candidate: called as ``candidate(logits, target)``.
        own: the loss that it replaces.

    Raises:
        ModelError: if ``own`` takes probabilities; from a call, if the values differ in shape.
    """

    def __init__(self, candidate: nn.Module, own: Callable[..., Any]) -> None:
        super().__init__()
        self.promises = Promises.of(own)
        reduction = self.promises.reduction
        self.loss = candidate if reduction is None else with_reduction(candidate, reduction)
        # In a list, lest a module become a part of this one.
        self._unasked = [own] if reduction in (None, "none") else []

    def __getattr__(self, name: str) -> Any:
        """Return what the candidate has by a name, such as its progress."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("loss"), name)

    def forward(self, logits: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
        """Compute the candidate's value.

        Args:
            logits: as the candidate takes them, of one head or several.
            target: as the candidate takes it; class indices may be the ignored one.

        Returns:
            The value, 0 where labels are ignored.
        """
        expected = self._ask(self._unasked.pop(), logits, target) if self._unasked else None
        value = self._value(logits, target)
        if expected is not None and value.shape != expected:
            name = self.promises.name
            raise ModelError(
                f"a loss to replace that returns one number, or one for each label, as candidates do: {tuple(value.shape)}",
                f"{name} with a value of shape {tuple(expected)}",
                f"Let {name} reduce its value that far, and what is done with it follow.",
            )
        return value

    def _ask(self, own: Callable[..., Any], logits: Any, target: Tensor) -> torch.Size | None:
        try:
            with torch.no_grad(), torch.random.fork_rng([] if target.device.type == "cpu" else [target.device]):
                shape: torch.Size = own(logits, target).shape
        except Exception:  # whatever it is, it is not the candidate's
            return None
        if shape:
            self.loss = with_reduction(self.loss, "none")
        return shape

    def _value(self, logits: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
        index = self.promises.ignore_index
        if index is None or target.is_floating_point() or bool((labelled := target != index).all()):
            return self.loss(logits, target)
        heads = [head.movedim(1, -1) for head in (logits if isinstance(logits, tuple) else (logits,))]
        if any(head.shape[:-1] != target.shape for head in heads):
            return self.loss(logits, target)  # which says what does not fit
        rows = tuple(head[labelled] for head in heads)
        losses: Tensor = self.loss(rows if isinstance(logits, tuple) else rows[0], target[labelled])
        return losses.new_zeros(target.shape).masked_scatter(labelled, losses) if losses.ndim else losses


def replacement(candidate: nn.Module, own: Callable[..., Any]) -> nn.Module:
    """Return what takes a loss's place: the candidate itself, if that keeps all that can be kept."""
    found = Replacement(candidate, own)
    is_enough = found.promises.ignore_index is None and found.loss is candidate and not found._unasked
    return candidate if is_enough else found


def with_reduction(loss: nn.Module, reduction: Reduction) -> nn.Module:
    """Return a loss with another reduction, which shares its numbers; itself, if it has that one or none.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss, ScaledLoss
        >>> with_reduction(ScaledLoss(CrossEntropyLoss(), 2.0), "sum").reduction
        'sum'
    """
    if getattr(loss, "reduction", reduction) == reduction:
        return loss
    if isinstance(loss, WrappedLoss):
        return loss.rewrapped(lambda inner: with_reduction(inner, reduction))
    view = copy.copy(loss)
    view.reduction = reduction
    return view


def _options(own: Callable[..., Any]) -> dict[str, Any]:
    if isinstance(own, functools.partial):
        return {**_options(own.func), **own.keywords}
    if isinstance(own, nn.Module):
        return {name: getattr(own, name) for name in OPTIONS if hasattr(own, name)}
    try:
        parameters = inspect.signature(own).parameters
    except (TypeError, ValueError):  # it is not written in Python
        return {}
    return {
        name: parameters[name].default
        for name in OPTIONS
        if name in parameters and parameters[name].default is not inspect.Parameter.empty
    }


def _lacking(own: Callable[..., Any], options: dict[str, Any]) -> tuple[str, ...]:
    tensors = [name for name in ("weight", "pos_weight") if isinstance(options.get(name), Tensor | list | tuple)]
    numbers = [
        f"{name}={options[name]:g}"
        for name in ("label_smoothing", "smoothing")
        if isinstance(options.get(name), int | float) and options[name]
    ]
    parameters = ["the trainable parameters"] if isinstance(own, nn.Module) and any(True for _ in own.parameters()) else []
    return (*parameters, *(name for name in tensors if not isinstance(options[name], nn.Parameter)), *numbers)


def _name(own: Callable[..., Any]) -> str:
    if isinstance(own, functools.partial):
        return _name(own.func)
    own = getattr(own, "_orig_mod", own)  # of a compiled module
    return getattr(own, "__name__", type(own).__name__)
