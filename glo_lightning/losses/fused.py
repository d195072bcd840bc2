r"""Polynomial losses in closed form: value and gradient in one pass, about as fast as cross-entropy.

With class index T, a loss of degree K in h sees the logits only through sums over powers of h and through h_T,

.. math:: L = w_1 + \sum_{r=2}^{K} w_r M_r + \sum_{r=1}^{K-1} u_r h_T^r, \qquad M_r = \sum_i h_i^r

so its gradient needs no one-hot labels, no array of gamma and no autograd graph:

.. math:: \frac{\partial L}{\partial f_k} = q_k - h_k \sum_i q_i, \qquad
          q_k = \sum_{r=2}^{K} r w_r h_k^r + [k = T] \sum_{r=1}^{K-1} r u_r h_T^r

Soft labels differ from entry to entry, so there the coefficients of the polynomial in h do too.

Source: derivations.md, section 8.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import Function

from glo_lightning.losses.base import Reduction, reduce_batch

# Rows are worked off in blocks whose temporaries stay in one core's L2 cache.
BLOCK_ELEMENTS = 1 << 16


def hard_label_loss(logits: Tensor, target: Tensor, polynomials: Tensor) -> Tensor:
    """Compute a polynomial loss of class indices by differentiable operations.

    For torch.compile, which fuses them, and for torch.func, which transforms them.

    Args:
        logits: shape (N, C), floating.
        target: class indices, shape (N,), int64.
        polynomials: P, shape (K + 1, 2): the loss of a non-target entry is ``-sum_j P[j, 0] h^j``, the
            target's ``-sum_j P[j, 1] h^j``; P[K, 0] = P[K, 1].

    Returns:
        Losses, shape (N,).
    """
    constant, background, extra = hard_label_weights(polynomials, logits.shape[-1])
    h = logits.softmax(-1)
    h_target = h.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    loss = constant.to(h.dtype).expand_as(h_target)
    if len(background):
        loss = loss + (horner(h, background.to(h.dtype).unbind()) * h * h).sum(-1)
        loss = loss + horner(h_target, extra.to(h.dtype).unbind()) * h_target
    return loss


def soft_label_loss(logits: Tensor, y: Tensor, coefficients: Tensor) -> Tensor:
    """Compute a polynomial loss of label distributions by differentiable operations.

    Args:
        logits: shape (N, C), floating.
        y: labels, shape (N, C), dtype of the logits.
        coefficients: V, shape (K + 1, K + 1): the loss is ``-sum_jm V[j, m] h^j y^m``.

    Returns:
        Losses, shape (N,).
    """
    return -horner(logits.softmax(-1), _in_h(y, coefficients)).sum(-1)


def hard_label_weights(polynomials: Tensor, num_classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return w_1 with all constants, shape (); w_2 ... w_K, shape (K - 1,); and u_1 ... u_(K-1), shape (K - 1,)."""
    everyone = -polynomials[:, 0]
    extra = -polynomials[:, 1] - everyone
    return num_classes * everyone[0] + everyone[1] + extra[0], everyone[2:], extra[1:-1]


def horner(x: Tensor, coefficients: Sequence[Tensor]) -> Tensor:
    """Evaluate a polynomial whose coefficients, lowest first, broadcast against x."""
    value = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value


class Kernel(Protocol):
    """Values and gradients of a polynomial loss on a block of rows, outside autograd."""

    def __call__(self, logits: Tensor, target: Tensor, gradient: Tensor | None) -> Tensor:
        """Return the losses, shape (N, 1), and write their gradient, shape (N, C), where one is given."""

    def differentiable(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the losses, shape (N,), with a graph."""


class HardLabelKernel:
    """:func:`hard_label_loss` of order 2 or more, in few passes over the rows.

    The gradient needs the row sum of q. A K-th of it is the loss up to the terms below the K-th, by Euler's
    relation for the K-th, so only the K - 2 terms below are summed for themselves.

    Args:
        polynomials: as in :func:`hard_label_loss`.
        num_classes: C.
        dtype: of the logits.
    """

    def __init__(self, polynomials: Tensor, num_classes: int, dtype: torch.dtype) -> None:
        self._polynomials = polynomials
        self._order = order = len(polynomials) - 1
        constant, background, extra = hard_label_weights(polynomials, num_classes)
        degree = torch.arange(1, order + 1, dtype=polynomials.dtype, device=polynomials.device)
        below = 1.0 - degree[:-1] / order
        self._slope = _Polynomial(degree[1:] * background, dtype)
        self._below = _Polynomial(background[:-1] * below[1:], dtype) if order > 2 else None
        self._target_slope = _Polynomial(degree[:-1] * extra, dtype)
        self._target_value = _Polynomial(torch.cat([constant.unsqueeze(0), below * extra]), dtype)

    def __call__(self, logits: Tensor, target: Tensor, gradient: Tensor | None) -> Tensor:
        """Return the losses and write their gradient; see :class:`Kernel`."""
        index = target.unsqueeze(-1)
        h = logits.softmax(-1)
        h_target = h.gather(-1, index)
        square = h * h
        slope = torch.mul(square, self._slope(h), out=gradient)
        slope.scatter_add_(-1, index, h_target * self._target_slope(h_target))
        slope_sum = slope.sum(-1, keepdim=True)
        loss = self._target_value(h_target).add_(slope_sum, alpha=1.0 / self._order)
        if self._below is not None:
            loss.add_(self._below.times(square, h).sum(-1, keepdim=True), alpha=self._below.scale)
        if gradient is not None:
            gradient.addcmul_(h, slope_sum, value=-1.0)
        return loss

    def differentiable(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the losses with a graph; see :class:`Kernel`."""
        return hard_label_loss(logits, target, self._polynomials)


class SoftLabelKernel:
    """:func:`soft_label_loss` with its gradient.

    Args:
        coefficients: as in :func:`soft_label_loss`.
    """

    def __init__(self, coefficients: Tensor) -> None:
        self._coefficients = coefficients

    def __call__(self, logits: Tensor, target: Tensor, gradient: Tensor | None) -> Tensor:
        """Return the losses and write their gradient; see :class:`Kernel`."""
        h = logits.softmax(-1)
        in_h = _in_h(target, self._coefficients)
        if gradient is not None:
            gamma = horner(h, [degree * c for degree, c in enumerate(in_h)][1:])
            torch.mul(h, (gamma * h).sum(-1, keepdim=True) - gamma, out=gradient)
        return -horner(h, in_h).sum(-1, keepdim=True)

    def differentiable(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the losses with a graph; see :class:`Kernel`."""
        return soft_label_loss(logits, target, self._coefficients)


class FusedLoss(Function):
    """Sum of a kernel's losses; its gradient, computed with it, goes to the first backward pass.

    A second pass, or one that is itself differentiated, computes it anew with a graph.
    """

    @staticmethod
    def forward(ctx: Any, kernel: Kernel, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        ctx.save_for_backward(logits, target)
        ctx.kernel, ctx.reduction = kernel, reduction
        ctx.gradient = torch.empty_like(logits)
        return _reduce(_run(kernel, logits, target, ctx.gradient), reduction)

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None or torch.is_grad_enabled():
            logits, target = ctx.saved_tensors
            _, pull_back = torch.func.vjp(
                lambda f: _reduce(ctx.kernel.differentiable(f, target).unsqueeze(-1), ctx.reduction), logits
            )
            return None, pull_back(grad_loss)[0], None, None
        return None, gradient.mul_(grad_loss if grad_loss.ndim == 0 else grad_loss.unsqueeze(-1)), None, None


def _reduce(losses, reduction):
    return losses.squeeze(-1) if reduction == "none" else losses.sum()


def fused_loss(kernel: Kernel, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
    """Compute a loss by a kernel, in eager mode.

    Args:
        kernel: the loss.
        logits: shape (N, C), floating.
        target: what the kernel takes.
        reduction: over the batch.

    Returns:
        The loss, shape () or, with ``"none"``, shape (N,).
    """
    if logits.requires_grad and torch.is_grad_enabled():
        loss: Tensor = FusedLoss.apply(kernel, logits, target, reduction)
        return loss
    return _reduce(_run(kernel, logits, target, None), reduction)


def _run(kernel: Kernel, logits: Tensor, target: Tensor, gradient: Tensor | None) -> Tensor:
    rows = BLOCK_ELEMENTS // logits.shape[-1] + 1
    if len(logits) <= rows or logits.device.type != "cpu":
        return kernel(logits, target, gradient)
    gradients = gradient.split(rows) if gradient is not None else repeat(None)
    blocks = zip(logits.split(rows), target.split(rows), gradients, strict=False)
    return torch.cat([kernel(*block) for block in blocks])


class _Polynomial:
    """A polynomial with known coefficients, evaluated in place where it can be."""

    def __init__(self, coefficients: Tensor, dtype: torch.dtype) -> None:
        *self._lower, self._highest = coefficients.to(dtype).unbind()
        self._slope = float(self._highest)
        self.scale = 1.0 if self._lower else self._slope

    def times(self, square, h):
        return self(h).mul_(square) if self._lower else square

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        if not self._lower:
            return self._highest
        value = torch.add(self._lower[-1], x, alpha=self._slope, out=out)
        for coefficient in reversed(self._lower[:-1]):
            value.mul_(x).add_(coefficient)
        return value


def _in_h(y: Tensor, coefficients: Tensor) -> list[Tensor]:
    """Return each entry's coefficients of h^0, h^1, ...: tensors of the labels' shape."""
    order = len(coefficients) - 1
    rows = coefficients.to(y.dtype).unbind()
    return [horner(y, row[: order + 1 - degree].unbind()) for degree, row in enumerate(rows)]
