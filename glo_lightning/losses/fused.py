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

from glo_lightning.losses.options import Reduction
from glo_lightning.losses.precision import numbers_like

# Rows are worked off in blocks whose temporaries stay in one core's L2 cache.
BLOCK_ELEMENTS = 1 << 17

# Along rows that do not fill a register, torch's softmax takes several times as long as across them.
SIMD_FLOATS = 16


def hard_label_loss(logits: Tensor, target: Tensor, polynomials: Tensor) -> Tensor:
    """Compute a polynomial loss of order 2 or more, of class indices, by differentiable operations.

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
    # Sums over powers of unscaled exponentials need one pass forward and, once scaled, one pass backward.
    exponential = (logits - logits.detach().amax(-1, keepdim=True)).exp()
    inverse = exponential.sum(-1).reciprocal()
    h_target = _pick(exponential, target) * inverse
    losses = horner(h_target, numbers_like(torch.cat([constant.unsqueeze(0), extra]), logits).unbind())
    power, scale = exponential, inverse
    for weight in numbers_like(background, logits).unbind():
        power, scale = power * exponential, scale * inverse
        losses = losses + weight * scale * power.sum(-1)
    return losses


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
        value = torch.addcmul(coefficient, value, x)
    return value


class Kernel(Protocol):
    """Values and gradients of a polynomial loss on a block of rows, outside autograd."""

    def __call__(self, logits: Tensor, target: Tensor, gradient: Tensor | None) -> Tensor:
        """Return the losses, shape (N, 1), and write their gradient, shape (N, C), where a tensor is given."""

    def differentiable(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the losses, shape (N,), with a graph."""


class HardLabelKernel:
    r""":func:`hard_label_loss` of order 2 or more, in few passes over the rows.

    The gradient needs q and its sums. Weighing them as below leaves the highest powers out of what the value
    needs besides, with s_T the part of q that the target adds:

    .. math:: L = w_1 + \frac{1}{K} \sum_i q_i + \frac{s_T}{K (K - 1)}
              + \sum_{r=2}^{K-1} \left(1 - \frac{r}{K}\right) w_r M_r
              + \sum_{r=1}^{K-2} \left(1 - \frac{r}{K - 1}\right) u_r h_T^r

    Args:
        polynomials: as in :func:`hard_label_loss`.
        logits: of the shape, of the dtype and on the device of those to come.
    """

    def __init__(self, polynomials: Tensor, logits: Tensor) -> None:
        self._polynomials = polynomials
        self._order = order = len(polynomials) - 1
        constant, background, extra = hard_label_weights(polynomials, logits.shape[-1])
        degree = torch.arange(1, order + 1, dtype=polynomials.dtype, device=polynomials.device)
        rest = (background * (1.0 - degree[1:] / order))[:-1]
        target_rest = (extra * (1.0 - degree[:-1] / (order - 1)))[:-1]
        self._slope = _Polynomial(background * degree[1:], logits)
        self._target_slope = _Polynomial(extra * degree[:-1], logits)
        self._target_rest = _Polynomial(torch.cat([constant.unsqueeze(0), target_rest]), logits)
        self._quadratic_rest = float(rest[0]) if order > 2 else 0.0
        self._higher_rest = _Polynomial(rest[1:], logits) if order > 3 else None

    def __call__(self, logits: Tensor, target: Tensor, gradient: Tensor | None) -> Tensor:
        """Return the losses and write their gradient; see :class:`Kernel`."""
        order, index = self._order, target.unsqueeze(-1)
        h = _softmax(logits)
        h_target = h.gather(-1, index)
        target_slope = self._target_slope(h_target).mul_(h_target)
        q = self._slope(h, gradient).mul_(h).mul_(h).scatter_add_(-1, index, target_slope)
        q_sum = q.sum(-1, keepdim=True)
        if gradient is not None:
            gradient.addcmul_(h, q_sum, value=-1.0)
        loss = self._target_rest(h_target).add_(q_sum, alpha=1.0 / order)
        loss.add_(target_slope, alpha=1.0 / (order * (order - 1)))
        if order > 2:  # M_2 apart: a norm needs neither a temporary nor a second pass
            norm = torch.linalg.vector_norm(h, dim=-1, keepdim=True)
            loss.addcmul_(norm, norm, value=self._quadratic_rest)
        if self._higher_rest is not None:
            loss.add_(self._higher_rest(h).mul_(h).mul_(h).mul_(h).sum(-1, keepdim=True))
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
        h = _softmax(logits)
        in_h = _in_h(target, self._coefficients)
        if gradient is not None:
            gamma = horner(h, [degree * c for degree, c in enumerate(in_h)][1:])
            torch.mul(h, (gamma * h).sum(-1, keepdim=True) - gamma, out=gradient)
        return -horner(h, in_h).sum(-1, keepdim=True)

    def differentiable(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the losses with a graph; see :class:`Kernel`."""
        return soft_label_loss(logits, target, self._coefficients)


def fused_loss(kernel: Kernel, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
    """Compute a loss by a kernel, in eager mode.

    Args:
        kernel: the loss; for ``"mean"``, its coefficients are divided by N already.
        logits: shape (N, C), floating.
        target: what the kernel takes.
        reduction: over the batch.

    Returns:
        The loss, shape () or, with ``"none"``, shape (N,).
    """
    if logits.requires_grad and torch.is_grad_enabled():
        losses: Tensor = _FusedLoss.apply(kernel, logits, target, reduction)
        return losses
    return _run(kernel, logits, target, None, reduction)


class _FusedLoss(Function):
    """A kernel's losses; their gradient, computed with them, goes to the first backward pass."""

    @staticmethod
    def forward(ctx: Any, kernel: Kernel, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        """Compute losses and gradient together."""
        ctx.save_for_backward(logits, target)
        ctx.kernel, ctx.reduction = kernel, reduction
        ctx.gradient = torch.empty_like(logits)
        return _run(kernel, logits, target, ctx.gradient, reduction)

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradient in place; a later pass through the same graph computes it anew."""
        if torch.is_grad_enabled():  # the gradient is to be differentiated itself
            logits, target = ctx.saved_tensors
            losses = ctx.kernel.differentiable(logits, target)
            (graph,) = torch.autograd.grad(losses, logits, grad_loss.expand_as(losses), create_graph=True)
            return None, graph, None, None
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:
            logits, target = ctx.saved_tensors
            gradient = torch.empty_like(logits)
            _run(ctx.kernel, logits, target, gradient, ctx.reduction)
        if grad_loss.ndim == 1:
            gradient.mul_(grad_loss.unsqueeze(-1))
        elif not grad_loss.is_cpu or grad_loss.item() != 1.0:
            gradient.mul_(grad_loss)
        return None, gradient, None, None


def _run(kernel: Kernel, logits: Tensor, target: Tensor, gradient: Tensor | None, reduction: Reduction) -> Tensor:
    num_rows, num_classes = logits.shape
    if num_rows * num_classes <= BLOCK_ELEMENTS or not logits.is_cpu:
        losses = kernel(logits, target, gradient)
    else:
        rows = max(1, BLOCK_ELEMENTS // num_classes)
        gradients = repeat(None) if gradient is None else torch.split(gradient, rows)
        blocks = zip(torch.split(logits, rows), torch.split(target, rows), gradients, strict=False)
        losses = torch.cat([kernel(*block) for block in blocks])
    return losses.squeeze(-1) if reduction == "none" else losses.sum()


class _Polynomial:
    """A polynomial with known coefficients, evaluated in place."""

    def __init__(self, coefficients: Tensor, x: Tensor) -> None:
        self._lower = numbers_like(coefficients[:-1], x).unbind()
        self._slope = float(coefficients[-1].to(x.dtype))

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        if not self._lower:
            return x.new_empty(x.shape).fill_(self._slope) if out is None else out.fill_(self._slope)
        value = torch.add(self._lower[-1], x, alpha=self._slope, out=out)
        for coefficient in reversed(self._lower[:-1]):
            value.mul_(x).add_(coefficient)
        return value


def _softmax(logits: Tensor) -> Tensor:
    if logits.is_cpu and logits.shape[-1] < SIMD_FLOATS:
        return logits.T.softmax(0).T.contiguous()
    return logits.softmax(-1)


def _pick(x: Tensor, index: Tensor) -> Tensor:
    """Return each row's entry at the index, shape (N,)."""
    if not torch.compiler.is_compiling():
        return x.gather(-1, index.unsqueeze(-1)).squeeze(-1)
    # A compiler merges a mask into the passes around it, but not a gather's backward pass; int32 fills SIMD lanes.
    classes = torch.arange(x.shape[-1], dtype=torch.int32, device=x.device)
    mask = classes == index.to(torch.int32).unsqueeze(-1)
    picked = torch.where(mask, x, 0.0).sum(-1)
    return torch.where((index >= 0) & (index < x.shape[-1]), picked, torch.nan)


def _in_h(y: Tensor, coefficients: Tensor) -> list[Tensor]:
    """Return each entry's coefficients of h^0, h^1, ...: tensors of the labels' shape."""
    order = len(coefficients) - 1
    rows = numbers_like(coefficients, y).unbind()
    return [horner(y, row[: order + 1 - degree].unbind()) for degree, row in enumerate(rows)]
