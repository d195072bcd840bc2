r"""Taylor losses of a whole stack in closed form, values and gradients in one pass.

It is the closed form of :mod:`glo_lightning.losses.fused`, with one set of coefficients per model:

.. math:: L = w_1 + \sum_{r=2}^{K} w_r M_r + \sum_{r=1}^{K-1} u_r h_T^r, \qquad
          \frac{\partial L}{\partial f_k} = q_k - h_k \sum_i q_i, \qquad
          q_k = \sum_{r=2}^{K} r w_r h_k^r + [k = T] \sum_{r=1}^{K-1} r u_r h_T^r

Source: derivations.md, section 8.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from glo_lightning.losses import TaylorLoss
from glo_lightning.losses.fused import hard_label_weights, horner
from glo_lightning.losses.precision import numbers_like


class PolynomialLosses:
    """P polynomial losses of class indices, of the same order K of 2 or more.

    Args:
        polynomials: shape (K + 1, 2, P), float64, as :func:`~glo_lightning.losses.fused.hard_label_loss` takes them
            for one loss.
        num_classes: C.
        logits: of the dtype and on the device of those to come.
    """

    def __init__(self, polynomials: Tensor, num_classes: int, logits: Tensor) -> None:
        constant, everyone, extra = hard_label_weights(polynomials, num_classes)
        self._constant = numbers_like(constant, logits)
        self._everyone = _in_rows(everyone, logits)
        self._everyone_slope = _in_rows(_times_degree(everyone, 2), logits)
        self._extra = _in_rows(extra, logits)
        self._extra_slope = _in_rows(_times_degree(extra, 1), logits)

    @torch.no_grad()
    def differentiate(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the losses, summed over examples, and their gradients.

        Args:
            logits: shape (P, N, C).
            target: class indices, shape (1, N) if all models have the same, else (P, N).

        Returns:
            Losses, shape (P,), and gradients, shape (P, N, C).
        """
        # With examples last, softmax and sums over a few classes run over whole vectors of examples.
        h = logits.mT.softmax(1)
        index = target.unsqueeze(1).expand(len(h), -1, -1)
        h_target = h.gather(1, index)
        square = h * h
        loss = (horner(h, self._everyone) * square).sum((1, 2))
        loss += (horner(h_target, self._extra) * h_target).sum((1, 2))
        q = horner(h, self._everyone_slope) * square
        q.scatter_add_(1, index, horner(h_target, self._extra_slope) * h_target)
        gradient = q.addcmul_(h, q.sum(1, keepdim=True), value=-1.0)
        return loss.add_(self._constant, alpha=target.shape[1]), gradient.mT


def is_polynomial(loss: nn.Module) -> bool:
    """Whether a loss of class indices is a polynomial in the scaled logits."""
    return type(loss) is TaylorLoss and "f" not in loss.inputs and loss.order > 1 and loss.reduction != "none"


def label_polynomials(loss: TaylorLoss, own: Mapping[str, Tensor], size: int, num_classes: int) -> Tensor:
    """Return the polynomials of non-targets and targets at the current progress.

    Args:
        loss: what the losses have in common.
        own: the buffers in which they differ, each of shape (P, ...); may be none.
        size: P.
        num_classes: C.

    Returns:
        Shape (K + 1, 2, P), float64; with ``class_reduction="mean"`` divided by C.
    """
    other = loss.label_smoothing / num_classes
    labels = loss.theta.new_tensor([other, 1.0 - loss.label_smoothing + other])
    expanded: Tensor
    if own:
        wrapped = _LabelPolynomials(loss)
        buffers = {f"loss.{name}": buffer for name, buffer in own.items()}
        expanded = vmap(lambda row: functional_call(wrapped, row, (labels,)), out_dims=2)(buffers)
    else:
        expanded = loss.label_polynomials(labels).unsqueeze(2).expand(-1, -1, size)
    return expanded / num_classes if loss.class_reduction == "mean" else expanded


class _LabelPolynomials(nn.Module):
    """Gives out a loss's label polynomials when called, because torch.func can replace buffers in calls only."""

    def __init__(self, loss: TaylorLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, labels: Tensor) -> Tensor:
        return self.loss.label_polynomials(labels)


def _times_degree(coefficients: Tensor, lowest: int) -> Tensor:
    degree = torch.arange(lowest, lowest + len(coefficients), dtype=coefficients.dtype, device=coefficients.device)
    return degree.unsqueeze(1) * coefficients


def _in_rows(coefficients: Tensor, logits: Tensor) -> Sequence[Tensor]:
    return numbers_like(coefficients, logits)[..., None, None].unbind()
