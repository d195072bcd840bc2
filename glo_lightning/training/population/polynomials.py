r"""Taylor losses of a whole stack in closed form, values and gradients in one pass.

With class index T, such a loss is a polynomial B of every scaled logit plus a polynomial D of the target's:

.. math:: L = \sum_i B(h_i) + D(h_T), \qquad \frac{\partial L}{\partial f_k} = q_k - h_k \sum_i q_i, \qquad
          q_k = h_k B'(h_k) + [k = T] \, h_T D'(h_T)

Source: derivations.md, section 8.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.func import functional_call, vmap

from glo_lightning.losses import TaylorLoss

Polynomial = Sequence[Tensor]
"""Coefficients by power, lowest first, at least two of them; each of shape (P, 1, 1)."""


def polynomial_losses(logits: Tensor, target: Tensor, everyone: Polynomial, extra: Polynomial) -> Tensor:
    """Compute the losses of P models, summed over examples.

    Args:
        logits: shape (P, N, C).
        target: class indices, shape (1, N) if all models have the same, else (P, N).
        everyone: B.
        extra: D.

    Returns:
        Losses, shape (P,).
    """
    losses: Tensor = _PolynomialLosses.apply(logits, target, everyone, extra)
    return losses


class _PolynomialLosses(Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, everyone: Polynomial, extra: Polynomial) -> Tensor:
        # With examples last, softmax and sums over a few classes run over whole vectors of examples.
        h = logits.mT.softmax(1)
        index = target.unsqueeze(1).expand(len(h), -1, -1)
        h_target = h.gather(1, index)
        loss, slope = _evaluate(everyone, h)
        loss_of_target, slope_of_target = _evaluate(extra, h_target)
        slope.scatter_add_(1, index, slope_of_target)
        ctx.save_for_backward(slope.addcmul_(h, slope.sum(1, keepdim=True), value=-1.0))
        return loss.sum((1, 2)).add_(loss_of_target.sum((1, 2)))

    @staticmethod
    def backward(ctx: Any, grad_losses: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return (gradient * grad_losses.view(-1, 1, 1)).mT, None, None, None


def _evaluate(polynomial: Polynomial, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return a polynomial p(x) and x p'(x) by Horner's rule; x has shape (P, ..., ...)."""
    *lower, coefficient, slope = polynomial
    value = torch.addcmul(coefficient, slope, x)
    for coefficient in reversed(lower):
        slope = torch.addcmul(value, slope, x)
        value = torch.addcmul(coefficient, value, x)
    return value, slope * x


def is_polynomial(loss: nn.Module) -> bool:
    """Whether a loss of class indices is a polynomial in the scaled logits."""
    return type(loss) is TaylorLoss and "f" not in loss.inputs and loss.reduction != "none"


def polynomials(
    loss: TaylorLoss, own: Mapping[str, Tensor], size: int, num_classes: int, dtype: torch.dtype
) -> tuple[Polynomial, Polynomial]:
    """Return B and D at the current progress.

    Args:
        loss: what the losses have in common.
        own: the buffers in which they differ, each of shape (P, ...); may be none.
        size: P.
        num_classes: C.
        dtype: of the logits.

    Returns:
        B and D; with ``class_reduction="mean"`` divided by C.
    """
    other = loss.label_smoothing / num_classes
    labels = loss.theta.new_tensor([other, 1.0 - loss.label_smoothing + other])
    if own:
        wrapped = _LabelPolynomials(loss)
        buffers = {f"loss.{name}": buffer for name, buffer in own.items()}
        expanded = vmap(lambda row: functional_call(wrapped, row, (labels,)))(buffers)
    else:
        expanded = loss.label_polynomials(labels).expand(size, -1, -1)
    if loss.class_reduction == "mean":
        expanded = expanded / num_classes
    everyone, at_target = expanded.neg().permute(2, 1, 0)[..., None, None].unbind()
    return everyone.to(dtype).unbind(), (at_target - everyone).to(dtype).unbind()


class _LabelPolynomials(nn.Module):
    """Gives out a loss's label polynomials when called, because torch.func can replace buffers in calls only."""

    def __init__(self, loss: TaylorLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, labels: Tensor) -> Tensor:
        return self.loss.label_polynomials(labels)
