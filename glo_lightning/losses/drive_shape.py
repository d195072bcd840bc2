r"""The mathematics of drive losses: weight, integral, and both at once with the gradient.

Of a loss :math:`l(p)` of the target's confidence training feels the drive :math:`D(p) = -l'(p)` alone. The *weight*
:math:`w(p) = p D(p)`, 1 for cross-entropy, is what the literature on label noise calls a sample's weight:

.. math:: \frac{\partial L}{\partial f_k} = w(p) (h_k - \delta_{kT}), \qquad
          l(p) = \int_p^1 D(t) \, dt = -\log p \int_0^1 w(p^\xi) \, d\xi

so the gradient needs no integral, and the value is a sum over Gauss-Jacobi nodes :math:`\xi`, whose weights know that
w goes like :math:`\xi^g` where p is 1.

Source: derivations.md, section 9.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from glo_lightning.losses.fused import SIMD_FLOATS
from glo_lightning.losses.precision import numbers_like
from glo_lightning.losses.quadrature import NODES, gauss_jacobi


class DriveShape(NamedTuple):
    """The numbers of one drive loss, or of many: with dimensions that broadcast against those of p.

    Args:
        scale: weight at p = 1/C.
        q: exponent at p = 0.
        g: exponent at p = 1.
        c: coefficients of the polynomial, the last dimension.
        nodes: of the quadrature in [0, 1], the last dimension.
        quadrature: their weights, likewise.
        num_classes: C.
    """

    scale: Tensor
    q: Tensor
    g: Tensor
    c: Tensor
    nodes: Tensor
    quadrature: Tensor
    num_classes: int

    @classmethod
    def of(cls, numbers: Sequence[Tensor], num_classes: int) -> "DriveShape":
        """Return the shape with these numbers, in the order of the arguments."""
        scale, q, g, c, nodes, quadrature = numbers
        return cls(scale, q, g, c, nodes, quadrature, num_classes)

    def like(self, tensor: Tensor) -> "DriveShape":
        """Return the numbers in the precision and on the device of a tensor."""
        return DriveShape.of([numbers_like(each, tensor) for each in self[:-1]], self.num_classes)

    def with_numbers(self, buffers: Mapping[str, Tensor]) -> "DriveShape":
        """Return the shape with some of a loss's buffers, by their names, instead of its own."""
        own = [
            buffers.get(name, buffers.get(f"_{name}", number))
            for name, number in zip(self._fields[:-1], self[:-1], strict=True)
        ]
        return DriveShape.of(own, self.num_classes)

    def for_precision(self, dtype: torch.dtype) -> "DriveShape":
        """Return the shape of one loss with no more nodes than the precision can tell from all, for p above 1e-5."""
        log_p = -torch.logspace(-6.0, 1.06, 24, dtype=torch.float64, device=self.nodes.device)
        exact = self.integral(log_p)
        for count in range(6, NODES, 2):
            nodes, quadrature = gauss_jacobi(float(self.g), count)
            fewer = self._replace(nodes=nodes.to(self.nodes.device), quadrature=quadrature.to(self.nodes.device))
            if bool(((fewer.integral(log_p) - exact).abs() <= 8.0 * torch.finfo(dtype).eps * exact.abs()).all()):
                return fewer
        return self

    def in_powers_of_p(self) -> Tensor:
        """Return the factor of p^q (1 - p)^g in the weight as coefficients of 1, p, p^2, ..., shape (K + 1,)."""
        start, c = (
            1.0 / self.num_classes,
            torch.cat([torch.ones_like(self.c[:1]), self.c]) if len(self.c) else self.c.new_ones(1),
        )
        powers = torch.zeros_like(c)
        for k, coefficient in enumerate(c.unbind()):
            for j in range(k + 1):
                powers[j] += coefficient * math.comb(k, j) * (-start) ** (k - j)
        return powers * self.scale * start**-self.q * (1.0 - start) ** -self.g

    def weight(self, log_p: Tensor, rest: Tensor) -> Tensor:
        """Return w(p) = p D(p).

        Args:
            log_p: logarithms of p, at most 0.
            rest: 1 - p; given apart, because it may be known more precisely.

        Returns:
            Weights of the arguments' common shape.
        """
        tiny = torch.finfo(log_p.dtype).tiny
        log_p = log_p.clamp(min=math.log(tiny))  # 0 times minus infinity would be NaN
        rest = rest.clamp(min=math.sqrt(tiny))  # and 0 times an overflow, where g is close to -1
        start = 1.0 / self.num_classes
        ends = self.q * (log_p - math.log(start)) + self.g * (rest.log() - math.log1p(-start))
        u = log_p.exp() - start
        polynomial = torch.zeros_like(u)
        for coefficient in reversed(self.c.unbind(-1)):
            polynomial = (polynomial + coefficient) * u
        return self.scale * ends.exp() * (1.0 + polynomial)

    def integral(self, log_p: Tensor) -> Tensor:
        """Return l(p), the integral of the drive from p to 1; shape of ``log_p``."""
        log_t = log_p.clamp(min=math.log(torch.finfo(log_p.dtype).tiny)).unsqueeze(-1) * self.nodes
        rest = (log_t / -2.0).tanh() * (1.0 + log_t.exp())  # 1 - t, as precise as expm1 and far faster
        behind = self._replace(
            scale=self.scale.unsqueeze(-1), q=self.q.unsqueeze(-1), g=self.g.unsqueeze(-1), c=self.c.unsqueeze(-2)
        )
        return -log_p * (behind.weight(log_t, rest) * self.quadrature).sum(-1)


class DriveIntegral(Function):
    """l(p) by quadrature; its slope in log p is the weight itself, exactly."""

    generate_vmap_rule = True

    @staticmethod
    def forward(log_p: Tensor, *shape: Any) -> Tensor:
        """Integrate in the precision of ``log_p``."""
        return DriveShape(*shape).like(log_p).integral(log_p)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep what the weight depends on."""
        *tensors, ctx.num_classes = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return minus the weight, by operations that can be differentiated again."""
        log_p, *numbers = ctx.saved_tensors
        # What rounds to p = 1 is somewhere between 1 and the next number below.
        rest = (-log_p.expm1()).clamp(min=torch.finfo(log_p.dtype).eps / 4.0)
        weight = DriveShape.of(numbers, ctx.num_classes).like(log_p).weight(log_p, rest)
        return -grad * weight, *[None] * len(numbers), None


class HardDrives:
    """Losses of class indices and their gradients, of one drive loss or of many at once, in few passes.

    The target's own weight is found along with those at the nodes, as that of one more node at p itself. All numbers
    are tensors, which torch takes faster than plain ones.

    Args:
        shapes: of the losses, with equally many classes, coefficients and nodes.
        divisor: of losses and gradients.
        logits: of the dtype and on the device of those to come.
    """

    def __init__(self, shapes: Sequence[DriveShape], divisor: float, logits: Tensor) -> None:
        def column(rows: Sequence[Tensor]) -> Tensor:
            """Return rows of one loss as (n, 1), of many as (P, n, 1)."""
            stacked = torch.stack([row.reshape(-1) for row in rows]).unsqueeze(-1)
            return numbers_like(stacked[0] if len(rows) == 1 else stacked, logits)

        # Halved, for (1 - t) / 2 = tanh(x) / (1 + tanh(x)) with x = log(t) / -2, as precise as expm1.
        self._nodes = column([torch.cat([shape.nodes, shape.nodes.new_ones(1)]) / -2.0 for shape in shapes])
        self._quadrature = column(
            [torch.cat([-(2.0**each.g) * each.quadrature, each.quadrature.new_zeros(1)]) for each in shapes]
        )
        self._minus_rest = column([torch.cat([0.0 * each.nodes - 2.0, -each.nodes.new_ones(1)]) for each in shapes])
        self._q, self._g = column([-2.0 * shape.q for shape in shapes]), column([shape.g for shape in shapes])
        # Along the dimension before the last one stands the degree, the lowest first.
        polynomials = column([shape.in_powers_of_p() / divisor for shape in shapes])
        self._polynomial = [each.unsqueeze(-2) for each in polynomials.unbind(-2)]
        self._tiny = torch.finfo(logits.dtype).tiny
        constants = (math.log(self._tiny), -1e-30, 1.0, -1.0)
        self._least_log, self._largest_log, self._one, self._minus = logits.new_tensor(constants).unbind()

    def differentiate(self, log_p: Tensor, h: Tensor, target: Tensor, gradient: Tensor | None) -> Tensor:
        """Compute losses and gradients.

        Args:
            log_p: logarithms of the targets' scaled logits, shape (1, N) or (P, 1, N).
            h: scaled logits, shape (C, N) or (P, C, N); overwritten.
            target: class indices, shape (1, N) or (P, 1, N).
            gradient: takes the gradient with respect to the logits; shaped like ``h``, which it may be.

        Returns:
            Losses, shape (1, N) or (P, 1, N).
        """
        x = log_p.clamp(self._least_log, self._largest_log) * self._nodes
        rest = x.tanh()
        rest /= rest + self._one  # (1 - t) / 2
        target_rest = rest[..., -1:, :]
        others = h.scatter_(-2, target, self._tiny)
        torch.sum(others, -2, keepdim=True, out=target_rest)  # 1 - p, however close to 1 p is
        weights = x.mul_(self._q).addcmul_(rest.log(), self._g).exp_()
        polynomial = self._polynomial[-1]
        if len(self._polynomial) > 1:
            t = torch.addcmul(self._one, rest, self._minus_rest)
            for coefficient in reversed(self._polynomial[:-1]):
                polynomial = torch.addcmul(coefficient, polynomial, t)
        weights *= polynomial
        if gradient is not None:
            others.scatter_(-2, target, target_rest * self._minus)
            torch.mul(others, weights[..., -1:, :], out=gradient)
        # Not a product of matrices, which autocast would round.
        return log_p * weights.mul_(self._quadrature).sum(-2, keepdim=True)


class HardDriveKernel:
    """A drive loss of class indices; see :class:`.fused.Kernel`.

    Args:
        shape: of the loss.
        divisor: of values and gradients.
        logits: of the dtype and on the device of those to come.
    """

    def __init__(self, shape: DriveShape, divisor: float, logits: Tensor) -> None:
        self._shape = shape
        self._divisor = divisor
        self._drives = HardDrives([shape.for_precision(logits.dtype)], divisor, logits)

    def __call__(self, logits: Tensor, target: Tensor, gradient: Tensor | None) -> Tensor:
        """Return the losses and write their gradient."""
        index = target.unsqueeze(0)
        if logits.is_cpu and logits.shape[-1] < SIMD_FLOATS:
            log_h = logits.T.log_softmax(0)
            log_p, h = log_h.gather(0, index), log_h.exp_()
        else:  # one exponential of each logit instead of two: log p = f_T - max f + log max h
            h = logits.softmax(-1)
            log_p = logits.T.gather(0, index) - logits.amax(-1) + h.amax(-1).log()
            h = h.T
        return self._drives.differentiate(log_p, h, index, None if gradient is None else gradient.T).mT

    def differentiable(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the losses, shape (N,), with a graph."""
        log_p = logits.log_softmax(-1).gather(-1, target.unsqueeze(-1)).squeeze(-1)
        losses: Tensor = DriveIntegral.apply(log_p, *self._shape)
        return losses / self._divisor
