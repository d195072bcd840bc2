"""TaylorGLO losses: multivariate Taylor polynomials in labels, outputs and training progress."""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.batch import explain_labels, reduce_batch
from glo_lightning.losses.fused import (
    HardLabelKernel,
    Kernel,
    SoftLabelKernel,
    fused_loss,
    hard_label_loss,
    horner,
    soft_label_loss,
)
from glo_lightning.losses.labels import labels_like
from glo_lightning.losses.multi_index import factorial, multi_indices, num_parameters
from glo_lightning.losses.options import ClassReduction, Input, Reduction
from glo_lightning.losses.precision import numbers_like

if TYPE_CHECKING:
    import sympy

MAX_KERNELS = 64  # batch sizes and the like that a loss remembers the closed form of


class TaylorLoss(Loss):
    r"""A loss whose elementwise function is a Taylor polynomial with free centre and coefficients.

    .. math:: \ell(z) = -\sum_{\alpha \in A} \frac{\theta_\alpha}{\alpha!} \prod_v (z_v - \theta_v)^{\alpha_v}

    A holds the exponents of total degree at most K in which a network output (h or f) takes part: terms
    without one have no gradient. ``theta`` lists the centres first, in the order of ``inputs``, then the
    coefficients in lexicographic order of their exponents; see :func:`multi_indices`.

    Args:
        theta: shape (D,), finite, with D = :func:`num_parameters` of the order and inputs.
        order: K, the total degree; 1 to 32.
        inputs: variables of the polynomial, of ``"y"`` (label), ``"h"`` (scaled logit), ``"f"`` (unscaled
            logit) and ``"t"`` (training progress in [0, 1]); ``"h"`` or ``"f"`` is required.
        folded: whether the coefficients have 1/alpha! already multiplied in, as in the authors' code.
        class_reduction: as in :class:`Loss`.
        reduction: as in :class:`Loss`.
        label_smoothing: as in :class:`Loss`.

    Raises:
        LossError: if theta has the wrong length or is not finite, or order or inputs are out of range.

    Example:
        >>> loss = TaylorLoss([0.0, 0.0, 0.0, -2.0, 0.0, 2.0, 0.0, 0.0])  # mean squared error
        >>> loss.gamma(torch.tensor([0.25, 0.75]), torch.tensor([1.0, 0.0]))
        tensor([ 1.5000, -1.5000])

    Source: TaylorGLO, section 3; derivations.md, section 3.
    """

    family: ClassVar[str] = "taylor"
    theta: Tensor
    _exponents: Tensor
    _weights: Tensor
    _pascal: Tensor

    def __init__(
        self,
        theta: Sequence[float] | Tensor,
        order: int = 3,
        inputs: Sequence[Input] = ("y", "h"),
        folded: bool = False,
        class_reduction: ClassReduction = "sum",
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(class_reduction, reduction, label_smoothing)
        if not isinstance(folded, bool):
            raise LossError("folded as True or False", repr(folded), "Use False for the paper's theta.")
        values = _as_theta(theta, num_parameters(order, inputs), inputs)
        self.order = order
        self.inputs: tuple[Input, ...] = tuple(inputs)
        self.folded = folded
        self._kernels: dict[tuple[object, ...], Kernel] = {}
        self._kernels_theta: Tensor | None = None
        self._kernels_versions: tuple[int, int] = (0, 0)
        indices = multi_indices(order, self.inputs)
        factorials = [1.0 if folded else 1.0 / factorial(alpha) for alpha in indices]
        pascal = [[float(math.comb(a, j)) for j in range(order + 1)] for a in range(order + 1)]
        # Double precision throughout: far-off centres cancel badly in single.
        for name, buffer in (
            ("theta", values),
            ("_exponents", torch.tensor(indices, device="cpu")),
            ("_weights", torch.tensor(factorials, dtype=torch.float64, device="cpu")),
            ("_pascal", torch.tensor(pascal, dtype=torch.float64, device="cpu")),
        ):
            self.register_buffer(name, buffer, persistent=False)
        if isinstance(theta, Tensor):
            self.to(theta.device)

    @property
    def uses_progress(self) -> bool:
        """Whether training progress is an input of the polynomial."""
        return "t" in self.inputs

    def __getstate__(self) -> dict[str, Any]:
        """Leave the closed forms behind: a copy's tensors count their versions anew."""
        return {**self.__dict__, "_kernels": {}, "_kernels_theta": None}

    def with_theta(self, theta: Tensor) -> Self:
        """Return the loss with other parameters, at the same progress.

        Args:
            theta: shape (D,), finite.

        Raises:
            LossError: if theta has the wrong length or is not finite.
        """
        other = type(self)(**{**self.arguments(), "theta": theta})
        other.progress = self.progress
        return other

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the polynomial; see :meth:`Loss.elementwise`.

        Raises:
            LossError: if the loss also needs unscaled logits, which only :meth:`per_class` has.
        """
        self._refuse_logits("elementwise")
        return self._evaluate({"h": h, "y": y, "t": numbers_like(self._progress, h)})

    def per_class(self, logits: Tensor, y: Tensor) -> Tensor:
        """Evaluate the polynomial from unscaled logits; see :meth:`Loss.per_class`."""
        t = numbers_like(self._progress, logits)
        return self._evaluate({"h": logits.softmax(-1), "y": y, "f": logits, "t": t})

    def _compute(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        if "f" in self.inputs or self.order == 1:
            return super()._compute(logits, target, reduction)
        soft = target.is_floating_point()
        if soft:
            target = self.smooth(target.to(logits.dtype))
        try:
            kernel = self._kernel(logits, target, reduction)
            if kernel is not None:
                return fused_loss(kernel, logits, target, reduction)
            if soft:
                losses = soft_label_loss(logits, target, self._soft_coefficients(logits.shape[1]))
            else:
                losses = hard_label_loss(logits, target, self._hard_polynomials(logits.shape[1]))
        except RuntimeError as error:
            raise explain_labels(error, logits, target) from None
        return reduce_batch(losses, reduction)

    def _kernel(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Kernel | None:
        """Return the closed form for these tensors, unless somebody needs to see its single operations.

        That is so when operations are compiled or transformed, and when theta or the labels want gradients.
        """
        theta = self.theta
        if (
            torch.compiler.is_compiling()
            or torch._C._are_functorch_transforms_active()  # as autograd.Function asks itself
            or theta.requires_grad
            or theta.is_inference()
            or target.requires_grad
            or not logits.shape[0]
        ):
            return None
        versions = theta._version, self._progress._version if "t" in self.inputs else 0
        if theta is not self._kernels_theta or versions != self._kernels_versions:
            self._kernels, self._kernels_theta, self._kernels_versions = {}, theta, versions
        now = reduction, self.class_reduction, self.label_smoothing
        key = logits.shape, logits.dtype, logits.device, target.dtype, *now
        kernel = self._kernels.get(key)
        if kernel is None:
            if len(self._kernels) >= MAX_KERNELS:
                self._kernels.clear()
            with torch.inference_mode(False):
                kernel = self._kernels[key] = self._make_kernel(logits, target, reduction)
        return kernel

    def _make_kernel(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Kernel:
        num_rows, num_classes = logits.shape
        divisor = num_rows if reduction == "mean" else 1
        if target.is_floating_point():
            return SoftLabelKernel(self._soft_coefficients(num_classes) / divisor)
        return HardLabelKernel(self._hard_polynomials(num_classes) / divisor, logits)

    def _hard_polynomials(self, num_classes: int) -> Tensor:
        """Return the polynomials of the labels 0 and 1 as the loss sees them, reduced over classes."""
        other = self.label_smoothing / num_classes
        labels = [other, 1.0 - self.label_smoothing + other]
        polynomials = self.label_polynomials(torch.tensor(labels, dtype=torch.float64, device=self.theta.device))
        return polynomials / num_classes if self.class_reduction == "mean" else polynomials

    def _soft_coefficients(self, num_classes: int) -> Tensor:
        coefficients = self.loss_coefficients()
        return coefficients / num_classes if self.class_reduction == "mean" else coefficients

    def _evaluate(self, values: dict[str, Tensor]) -> Tensor:
        centers = numbers_like(self.theta[: len(self.inputs)], values["h"]).unbind()
        powers = [
            list(accumulate([values[name] - center] * self.order, torch.mul))
            for name, center in zip(self.inputs, centers, strict=True)
        ]
        coefficients = numbers_like(self.theta[len(self.inputs) :] * self._weights, values["h"]).unbind()
        total = torch.zeros_like(values["h"])
        for alpha, term in zip(multi_indices(self.order, self.inputs), coefficients, strict=True):
            for exponent, power in zip(alpha, powers, strict=True):
                if exponent:
                    term = term * power[exponent - 1]
            total = total - term
        return total

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return the learning-rule factor in closed form; see :meth:`Loss.gamma`.

        Raises:
            LossError: if the loss depends on unscaled logits, so that its slope in h alone is not defined.

        Source: derivations.md, section 3.
        """
        y = labels_like(h, y)
        coefficients = numbers_like(self.gamma_coefficients(), h)
        gamma = horner(h, [horner(y, row.unbind()) for row in coefficients.unbind()])
        return gamma + torch.zeros_like(h)  # of first order it is one number for all entries

    def loss_coefficients(self) -> Tensor:
        r"""Expand the loss about zero, at the current progress.

        .. math:: \ell(y, h) = -\sum_{j, m} V_{jm} h^j y^m

        Returns:
            V, shape (K + 1, K + 1), float64: powers of h by powers of y.

        Raises:
            LossError: if the loss depends on unscaled logits.
        """
        return self._in_powers_of_h(self._shifted("y"))

    def gamma_coefficients(self) -> Tensor:
        r"""Expand gamma about zero, at the current progress.

        .. math:: \gamma(y, h) = \sum_{j, m} G_{jm} h^j y^m

        At order 3 the entries are c1 = G[0, 0], ch = G[1, 0], chh = G[2, 0], cy = G[0, 1], cyy = G[0, 2]
        and chy = G[1, 1].

        Returns:
            G, shape (K, K), float64: powers of h by powers of y.

        Raises:
            LossError: if the loss depends on unscaled logits.

        Source: derivations.md, section 3.
        """
        return _derivative(self.loss_coefficients())[:, :-1]

    def label_polynomials(self, labels: Tensor) -> Tensor:
        r"""Return the loss as polynomials in h alone, one per label value, at the current progress.

        .. math:: \ell(y_m, h) = -\sum_j P_{jm} h^j

        Hard labels need only ``labels = [0, 1]``; with smoothing, ``[beta, 1 - alpha + beta]`` where
        beta = alpha / C.

        Args:
            labels: label values, shape (M,), float64.

        Returns:
            P, shape (K + 1, M), float64.

        Raises:
            LossError: if the loss depends on unscaled logits.

        Source: derivations.md, section 3.
        """
        distance = labels - self._center("y")
        return self._in_powers_of_h(distance ** self._exponents_of("y").unsqueeze(-1))

    def _in_powers_of_h(self, label_basis: Tensor) -> Tensor:
        self._refuse_logits("its expansion in powers of h")
        progress = (self._progress - self._center("t")) ** self._exponents_of("t")
        terms = self.theta[len(self.inputs) :] * self._weights * progress
        # Not a matrix product: a compiler merges a sum into its neighbours.
        return (self._shifted("h").unsqueeze(-1) * (terms.unsqueeze(-1) * label_basis).unsqueeze(-2)).sum(0)

    def _shifted(self, name: Input) -> Tensor:
        """Expand ``(z - center)^a`` in powers of z for every term's exponent a; shape (A, K + 1)."""
        degree = torch.arange(self.order + 1, device=self.theta.device)
        powers = (degree.unsqueeze(-1) - degree).clamp(min=0)
        return (self._pascal * (-self._center(name)) ** powers)[self._exponents_of(name)]

    def _center(self, name: Input) -> Tensor:
        return self.theta[self.inputs.index(name)] if name in self.inputs else self.theta.new_zeros(())

    def _exponents_of(self, name: Input) -> Tensor:
        if name in self.inputs:
            return self._exponents[:, self.inputs.index(name)]
        return self._exponents.new_zeros(len(self._exponents))

    def _refuse_logits(self, what: str) -> None:
        if "f" in self.inputs:
            raise LossError(
                f"a loss of h, y and t alone for {what}",
                f"inputs {self.inputs}",
                "Call the loss, or per_class, with unscaled logits.",
            )

    def hyperparameters(self) -> dict[str, Any]:
        """Return theta, order, inputs and folded."""
        return {
            "theta": self.theta.tolist(),
            "order": self.order,
            "inputs": list(self.inputs),
            "folded": self.folded,
        }

    def expression(self) -> "sympy.Expr":
        """Return the centred polynomial, zero terms left out; see :meth:`Loss.expression`."""
        import sympy

        theta = self.theta.tolist()
        num_inputs = len(self.inputs)
        distances = [sympy.Symbol(name) - center for name, center in zip(self.inputs, theta[:num_inputs], strict=True)]
        terms = []
        for alpha, value, weight in zip(
            multi_indices(self.order, self.inputs), theta[num_inputs:], self._weights.tolist(), strict=True
        ):
            factors = [distance**a for distance, a in zip(distances, alpha, strict=True) if a]
            terms.append(sympy.Mul(-value * weight, *factors) if value else sympy.Integer(0))
        return sympy.Add(*terms)


def _as_theta(theta: Sequence[float] | Tensor, expected: int, inputs: Sequence[Input]) -> Tensor:
    names = f"{expected} numbers: centres of {', '.join(inputs)}, then {expected - len(inputs)} coefficients"
    try:
        values = torch.as_tensor(theta, dtype=torch.float64, device="cpu").detach().clone()
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise LossError(names, repr(theta)[:80], "Pass theta as a list of floats.") from error
    if values.shape != (expected,):
        raise LossError(names, f"theta of shape {tuple(values.shape)}", "Check theta, order and inputs.")
    if not bool(values.isfinite().all()):
        raise LossError("finite numbers in theta", repr(values.tolist()), "Replace NaN and infinity.")
    return values


def _derivative(coefficients: Tensor) -> Tensor:
    degree = torch.arange(1, len(coefficients), dtype=coefficients.dtype, device=coefficients.device)
    return coefficients[1:] * degree.unsqueeze(-1)
