"""What a module's own loss promises of its value, and a candidate that takes its place keeps."""

import copy
import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast, get_args

import torch
from torch import Tensor, nn

from glo_lightning.errors import ModelError
from glo_lightning.losses.options import Reduction
from glo_lightning.losses.wrapped import WrappedLoss

LossT = TypeVar("LossT", bound=nn.Module)

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
        name, options = name_of(own), options_of(own)
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
            cast(Reduction, reduction) if reduction in get_args(Reduction) else None,
            index if isinstance(index, int) else None,
            _lacking(own, options),
            "reduction" in options,
        )

    @property
    def caveat(self) -> str:
        """What candidates do without, in one line; empty if that is nothing."""
        if not self.are_known:
            unknown = "class weights" if self.ignore_index is not None else "class weights and ignored labels"
            return (
                f"Candidates replace {self.name}, whose options cannot be known: "
                f"{unknown}, if it has them, they do without."
            )
        if not self.lacking:
            return ""
        return f"Candidates do without {' and '.join(self.lacking)} of {self.name}, which they replace."

    def keep(self, candidate: LossT) -> LossT:
        """Return a candidate that reduces its values as the loss does."""
        return candidate if self.reduction is None else with_reduction(candidate, self.reduction)


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
        self.loss = self.promises.keep(candidate)
        # In a list, lest a module become a part of this one.
        self._unasked = [own] if self.promises.reduction in (None, "none") else []

    def __getattr__(self, name: str) -> Any:
        """Return what the candidate has by a name, such as its progress."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("loss"), name)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Compute the candidate's value of logits and target, as it takes them; 0 where labels are ignored."""
        arguments = {**dict(zip(("logits", "target"), args, strict=False)), **kwargs}
        if len(args) > 2 or arguments.keys() != {"logits", "target"}:
            return self._call(*args, **kwargs)  # which says what does not fit
        expected = self._ask(self._unasked.pop(), **arguments) if self._unasked else None
        value = self._value(**arguments)
        if expected is not None and value.shape != expected:
            raise ModelError(
                f"a candidate whose values have the shape of those of {self.promises.name}, {tuple(expected)}",
                f"{tuple(value.shape)}",
                f"Let {self.promises.name} return one number, or one for each label, and sum over classes itself.",
            )
        return value

    def _ask(self, own: Callable[..., Any], logits: Any, target: Tensor) -> torch.Size | None:
        try:
            with torch.no_grad(), torch.random.fork_rng([target.device] if target.is_cuda else []):
                shape: torch.Size = own(logits, target).shape
        except Exception:  # whatever it is, it is not the candidate's
            return None
        if shape:
            self.loss = with_reduction(self.loss, "none")
        return shape

    def _value(self, logits: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
        heads = logits if isinstance(logits, tuple) else (logits,)
        labelled = self._labelled(heads, target)
        if labelled is None:
            return self._call(logits, target)
        rows = tuple(head.movedim(1, -1)[labelled] for head in heads)
        losses = self._call(rows if isinstance(logits, tuple) else rows[0], target[labelled])
        return losses.new_zeros(target.shape).masked_scatter(labelled, losses) if losses.ndim else losses

    def _call(self, *args: Any, **kwargs: Any) -> Tensor:
        value: Tensor = self.loss(*args, **kwargs)
        return value

    def _labelled(self, heads: Sequence[Tensor], target: Tensor) -> Tensor | None:
        """Return where labels are not ignored; None if none are, or the candidate will say what does not fit."""
        index = self.promises.ignore_index
        if index is None or target.is_floating_point():
            return None
        labelled = target != index
        if bool(labelled.all()):
            return None
        fits = all(head.ndim > 1 and head.movedim(1, -1).shape[:-1] == target.shape for head in heads)
        return labelled if fits else None


def replacement(candidate: nn.Module, own: Callable[..., Any]) -> nn.Module:
    """Return what takes a loss's place: the candidate itself, if that keeps all that can be kept."""
    found = Replacement(candidate, own)
    is_enough = found.promises.ignore_index is None and found.loss is candidate and not found._unasked
    return candidate if is_enough else found


def with_reduction(loss: LossT, reduction: Reduction) -> LossT:
    """Return a view of a loss, with another reduction; the loss itself, if it has that one or none.

    A view shares the loss's numbers and hooks.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss, ScaledLoss
        >>> with_reduction(ScaledLoss(CrossEntropyLoss(), 2.0), "sum").reduction
        'sum'
    """
    if getattr(loss, "reduction", reduction) == reduction:
        return loss
    view: Any = copy.copy(loss)
    if isinstance(loss, WrappedLoss):
        view._modules = {name: _part_with_reduction(part, reduction) for name, part in loss.named_children()}
    else:
        view.reduction = reduction
    return cast(LossT, view)


def _part_with_reduction(part: nn.Module, reduction: Reduction) -> nn.Module:
    if isinstance(part, nn.ModuleList):  # the losses of auxiliary heads
        return nn.ModuleList(with_reduction(each, reduction) for each in part)
    return with_reduction(part, reduction)


def options_of(own: Callable[..., Any]) -> dict[str, Any]:
    """Return the options of a loss that can be read off it, by name."""
    if isinstance(own, functools.partial):
        return {**options_of(own.func), **own.keywords}
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
    trainable = ["the parameters"] if isinstance(own, nn.Module) and any(True for _ in own.parameters()) else []
    return (*trainable, *(name for name in tensors if not isinstance(options[name], nn.Parameter)), *numbers)


def name_of(own: Callable[..., Any]) -> str:
    """Return what a loss is called: its class, or its function."""
    if isinstance(own, functools.partial):
        return name_of(own.func)
    own = getattr(own, "_orig_mod", own)  # of a compiled module
    return getattr(own, "__name__", type(own).__name__)
