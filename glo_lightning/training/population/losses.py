"""Many losses computed together: one call for all that differ in numbers only."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn import functional

from glo_lightning.losses import CrossEntropyLoss, DriveLoss, Loss, TaylorLoss
from glo_lightning.losses.drive_shape import HardDrives
from glo_lightning.losses.precision import at_least_single, double_device, numbers_like
from glo_lightning.losses.scaled import unscaled
from glo_lightning.losses.wrapped import WrappedLoss
from glo_lightning.training.population.polynomials import PolynomialLosses, is_polynomial, label_polynomials


class LossStack:
    """P losses, one per model.

    Losses of equal structure must stand next to each other; :func:`by_structure` sorts them so.

    Args:
        losses: one per model; they are copied.
        device: where they are computed.
    """

    def __init__(self, losses: Sequence[Loss], device: torch.device) -> None:
        plain, factors = zip(*map(unscaled, losses), strict=True)
        scaled = torch.tensor(factors, dtype=torch.float64, device=double_device(device))
        self._factors = scaled if set(factors) != {1.0} else None
        groups: list[list[Loss]] = []
        for loss in plain:
            if groups and structure(loss) == structure(groups[-1][0]):
                groups[-1].append(loss)
            else:
                groups.append([loss])
        self._groups = [_kind(group[0])(group, device) for group in groups]

    @property
    def uses_progress(self) -> bool:
        """Whether any of the losses changes with training progress."""
        return any(group.template.uses_progress for group in self._groups)

    def set_progress(self, progress: float) -> None:
        """Tell the losses how far training is, in [0, 1]."""
        for group in self._groups:
            group.set_progress(progress)

    def differentiate(self, logits: Tensor, target: Tensor, shared: bool) -> tuple[Tensor, Tensor]:
        """Compute the losses and their gradients with respect to the logits.

        Args:
            logits: of all models, shape (P, N, C), without a graph.
            target: class indices (N,) or distributions (N, C) if shared; else with P in front.
            shared: whether all models have the same labels.

        Returns:
            One loss per model, shape (P,), and its gradient, shape (P, N, C).
        """
        if len(self._groups) == 1:
            losses, gradient = self._groups[0].differentiate(logits, target, shared)
        else:
            sizes = [len(group) for group in self._groups]
            targets = [target] * len(sizes) if shared else torch.split(target, sizes)
            parts = zip(self._groups, torch.split(logits, sizes), targets, strict=True)
            found = [group.differentiate(own_logits, own_target, shared) for group, own_logits, own_target in parts]
            losses, gradient = (torch.cat(tensors) for tensors in zip(*found, strict=True))
        if self._factors is None:
            return losses, gradient
        scaled = gradient * numbers_like(self._factors, gradient).view(-1, 1, 1)
        return losses * numbers_like(self._factors, losses), scaled

    def keep(self, models: Tensor) -> None:
        """Drop all losses but those with the given numbers, shape (P',), rising, int64."""
        start = 0
        for group in self._groups:
            end = start + len(group)
            group.keep(models[(models >= start) & (models < end)] - start)
            start = end
        self._groups = [group for group in self._groups if len(group)]
        if self._factors is not None:
            self._factors = self._factors[models.to(self._factors.device)]


class _Group:
    """Losses of equal structure; only what differs between them is stacked."""

    def __init__(self, losses: Sequence[Loss], device: torch.device) -> None:
        self.template = copy.deepcopy(losses[0]).to(device)
        buffers = [dict(loss.named_buffers()) for loss in losses]
        self._stacked = {
            name: torch.stack([own[name] for own in buffers]).to(double_device(device))
            for name, first in buffers[0].items()
            if not name.endswith("_progress") and not all(torch.equal(first, own[name]) for own in buffers)
        }
        self._size = len(losses)
        self._together = self._size > 1

    def __len__(self) -> int:
        return self._size

    def differentiate(self, logits: Tensor, target: Tensor, shared: bool) -> tuple[Tensor, Tensor]:
        logits = logits.detach().requires_grad_()
        losses = self._losses(logits, target, shared)
        (gradient,) = torch.autograd.grad(losses.sum(), logits)
        return losses.detach(), gradient

    def _losses(self, logits: Tensor, target: Tensor, shared: bool) -> Tensor:
        if self._together:
            try:
                return vmap(self._one, in_dims=(0, 0, None if shared else 0))(self._stacked, logits, target)
            except (RuntimeError, TypeError):  # what vmap raises about operations that it cannot do
                self._together = False
        rows = ({name: value[model] for name, value in self._stacked.items()} for model in range(self._size))
        targets = [target] * self._size if shared else target.unbind()
        return torch.stack([self._one(*each) for each in zip(rows, logits.unbind(), targets, strict=True)])

    def _one(self, buffers: dict[str, Tensor], logits: Tensor, target: Tensor) -> Tensor:
        loss: Tensor = functional_call(self.template, buffers, (logits, target))
        return loss

    def set_progress(self, progress: float) -> None:
        self.template.progress = progress

    def keep(self, models: Tensor) -> None:
        self._stacked = {name: value[models.to(value.device)] for name, value in self._stacked.items()}
        self._size = len(models)


class _PolynomialGroup(_Group):
    """Taylor losses, which have a closed form for class indices."""

    def __init__(self, losses: Sequence[Loss], device: torch.device) -> None:
        super().__init__(losses, device)
        self._closed_form: PolynomialLosses | None = None

    def differentiate(self, logits: Tensor, target: Tensor, shared: bool) -> tuple[Tensor, Tensor]:
        if target.is_floating_point():
            return super().differentiate(logits, target, shared)
        dtype, logits = logits.dtype, at_least_single(logits)
        if self._closed_form is None:
            assert isinstance(self.template, TaylorLoss)
            num_classes = logits.shape[-1]
            polynomials = label_polynomials(self.template, self._stacked, len(self), num_classes)
            self._closed_form = PolynomialLosses(polynomials, num_classes, logits)
        losses, gradient = self._closed_form.differentiate(logits, target.unsqueeze(0) if shared else target)
        if self.template.reduction == "mean":
            losses, gradient = losses / logits.shape[1], gradient / logits.shape[1]
        return losses, gradient.to(dtype)

    def set_progress(self, progress: float) -> None:
        super().set_progress(progress)
        self._closed_form = None

    def keep(self, models: Tensor) -> None:
        super().keep(models)
        self._closed_form = None


class _DriveGroup(_Group):
    """Drive losses, whose gradient needs no graph for class indices."""

    def __init__(self, losses: Sequence[Loss], device: torch.device) -> None:
        super().__init__(losses, device)
        self._drives: HardDrives | None = None

    def differentiate(self, logits: Tensor, target: Tensor, shared: bool) -> tuple[Tensor, Tensor]:
        loss = self.template
        assert isinstance(loss, DriveLoss)
        if target.is_floating_point() or loss.label_smoothing:
            return super().differentiate(logits, target, shared)
        dtype, logits = logits.dtype, at_least_single(logits)
        if self._drives is None:
            own = ({name: value[model] for name, value in self._stacked.items()} for model in range(len(self)))
            shapes = [loss.shape.with_numbers(numbers) for numbers in own]
            self._drives = HardDrives(shapes, loss.num_classes if loss.class_reduction == "mean" else 1, logits)
        # With examples last, sums over a few classes run over whole vectors of examples.
        log_h = logits.mT.log_softmax(1)
        index = (target.unsqueeze(0) if shared else target).unsqueeze(1).expand(len(logits), -1, -1)
        log_p, gradient = log_h.gather(1, index), log_h.exp_()
        losses = self._drives.differentiate(log_p, gradient, index, gradient).sum((1, 2))
        if loss.reduction == "mean":
            losses, gradient = losses / logits.shape[1], gradient.div_(logits.shape[1])
        return losses, gradient.mT.to(dtype)

    def keep(self, models: Tensor) -> None:
        super().keep(models)
        self._drives = None


class _CrossEntropyGroup(_Group):
    """Cross-entropies of any label smoothing: the gradient is the softmax less the smoothed labels."""

    def __init__(self, losses: Sequence[Loss], device: torch.device) -> None:
        super().__init__(losses, device)
        smoothing = [loss.label_smoothing for loss in losses]
        self._smoothing = torch.tensor(smoothing, dtype=torch.float64, device=double_device(device))

    def differentiate(self, logits: Tensor, target: Tensor, shared: bool) -> tuple[Tensor, Tensor]:
        dtype, logits = logits.dtype, at_least_single(logits)
        num_samples, num_classes = logits.shape[1:]
        hard = target if target.is_floating_point() else functional.one_hot(target, num_classes)
        smoothing = numbers_like(self._smoothing, logits).view(-1, 1, 1)
        labels = (1.0 - smoothing) * hard.to(logits.dtype) + smoothing / num_classes
        log_softmax = logits.log_softmax(-1)
        losses = -torch.where(labels == 0.0, 0.0, labels * log_softmax).sum((1, 2))
        gradient = log_softmax.exp_().mul_(labels.sum(-1, keepdim=True)).sub_(labels)
        count = (num_samples if self.template.reduction == "mean" else 1) * (
            num_classes if self.template.class_reduction == "mean" else 1
        )
        return losses / count, gradient.div_(count).to(dtype)

    def keep(self, models: Tensor) -> None:
        super().keep(models)
        self._smoothing = self._smoothing[models.to(self._smoothing.device)]


def _kind(loss: Loss) -> type[_Group]:
    """Return how losses of a structure are computed together."""
    if _is_any_smoothing(loss):
        return _CrossEntropyGroup
    if is_polynomial(loss):
        return _PolynomialGroup
    return _DriveGroup if type(loss) is DriveLoss and loss.reduction != "none" else _Group


def by_structure(losses: Sequence[Loss]) -> list[int]:
    """Return the numbers of the losses in an order in which those of equal structure stand next to each other."""
    found: list[Any] = []
    group = []
    for loss in losses:
        own = structure(loss)
        if own not in found:
            found.append(own)
        group.append(found.index(own))
    return sorted(range(len(losses)), key=group.__getitem__)


def structure(loss: Loss) -> tuple[Any, ...]:
    """Return all that makes a loss but the values in its buffers, and cross-entropy's smoothing.

    It is equal for losses that one call can compute.
    """
    plain, _ = unscaled(loss)
    if _is_any_smoothing(plain):
        return type(plain), plain.reduction, plain.class_reduction
    return _structure(plain)


def _is_any_smoothing(loss: Loss) -> bool:
    return type(loss) is CrossEntropyLoss and loss.reduction != "none"


def _structure(loss: Loss) -> tuple[Any, ...]:
    shapes = {name: buffer.shape for name, buffer in loss.named_buffers(recurse=False)}
    arguments = {name: value for name, value in loss.arguments().items() if name not in shapes}
    if not isinstance(loss, WrappedLoss) or loss.num_heads > 1:
        return type(loss), arguments, shapes
    parts = {name: _structure(part) for name, part in loss.named_children() if isinstance(part, Loss)}
    numbers = {name: value for name, value in arguments.items() if not isinstance(value, dict)}
    return type(loss), numbers, shapes, parts
