r"""Drive losses: losses of the target's confidence alone, given by the force with which they raise it.

How value and gradient are computed is said in :mod:`glo_lightning.losses.drive_shape`.

Source: derivations.md, section 9.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.batch import explain_labels, reduce_batch
from glo_lightning.losses.drive_shape import DriveIntegral, DriveShape, HardDriveKernel
from glo_lightning.losses.fused import fused_loss
from glo_lightning.losses.labels import labels_like, seen, seen_log
from glo_lightning.losses.options import ClassReduction, Reduction
from glo_lightning.losses.precision import finite_number, listed
from glo_lightning.losses.quadrature import gauss_jacobi

if TYPE_CHECKING:
    import sympy

MAX_EXPONENT = 64.0
"""Exponents beyond which weights overflow."""

MAX_TERMS = 8
"""Coefficients that the polynomial of a drive may have."""

MAX_CLASSES = 10**7

Member = Literal["cross_entropy", "mae", "gce", "poly", "sce", "agce"]
"""Losses of the literature that are drive losses."""


class DriveLoss(Loss):
    r"""A loss whose drive is a power of the target's confidence at either end, times a polynomial.

    .. math:: \ell(y, h) = y \int_h^1 D(p) \, dp, \qquad
        D(p) = s C (C p)^{q-1} \left(\frac{1-p}{1-1/C}\right)^g \Big(1 + \sum_k c_k u^k\Big), \quad u = p - \frac1C

    The defaults are cross-entropy. Whatever q, g and c are, training starts as cross-entropy's does with its learning
    rate times s. Below q = 0 hard samples weigh more than under cross-entropy, above it less: 1 is the mean absolute
    error, which label noise cannot mislead and which learns slowly. Above g = 0 samples learnt well are let go, below
    it they are pulled the harder. A polynomial that turns negative pushes them back. Gradients are exact; values are a
    sum over nodes, which is rough where the target's confidence is below 1e-12, in single precision below 1e-5.

    Args:
        scale: s, finite; negative losses start uphill.
        q: exponent at p = 0, above -1.
        g: exponent at p = 1, above -1.
        c: coefficients c_1, c_2, ... of the polynomial, at most 8.
        num_classes: C, 2 or more; the loss is for logits of so many classes.
        class_reduction: as in :class:`Loss`.
        reduction: as in :class:`Loss`.
        label_smoothing: as in :class:`Loss`.

    Raises:
        LossError: if a number is out of its range.

    Example:
        >>> DriveLoss()(torch.zeros(1, 10), torch.tensor([3]))
        tensor(2.3026)
        >>> DriveLoss.like("mae")(torch.zeros(1, 10), torch.tensor([3]))
        tensor(1.8000)

    Source: derivations.md, section 9.
    """

    family: ClassVar[str] = "drive"
    num_classes: int
    scale: Tensor
    q: Tensor
    g: Tensor
    c: Tensor
    _nodes: Tensor
    _quadrature: Tensor

    def __init__(
        self,
        scale: float = 1.0,
        q: float = 0.0,
        g: float = 0.0,
        c: Sequence[float] = (0.0, 0.0),
        num_classes: int = 10,
        class_reduction: ClassReduction = "sum",
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(class_reduction, reduction, label_smoothing)
        if isinstance(num_classes, bool) or not isinstance(num_classes, int) or not 2 <= num_classes <= MAX_CLASSES:
            raise LossError(
                f"num_classes of 2 or more, up to {MAX_CLASSES}",
                repr(num_classes)[:80],
                "Count the labels of your data.",
            )
        for name, exponent in (("q", q), ("g", g)):
            if not -1.0 < finite_number(exponent, name) <= MAX_EXPONENT:
                raise LossError(
                    f"an exponent {name} above -1, at most {MAX_EXPONENT:g}", repr(exponent), "Use 0 for cross-entropy."
                )
        coefficients = [finite_number(each, "c") for each in listed(c)]
        if len(coefficients) > MAX_TERMS:
            raise LossError(f"at most {MAX_TERMS} coefficients c", f"{len(coefficients)}", "Leave the higher ones out.")
        self.num_classes = num_classes
        nodes, quadrature = gauss_jacobi(float(g))
        # Double precision, and one buffer per argument, so that a population can stack what its losses differ in.
        for name, numbers in (
            ("scale", finite_number(scale, "scale")),
            ("q", float(q)),
            ("g", float(g)),
            ("c", coefficients),
            ("_nodes", nodes),
            ("_quadrature", quadrature),
        ):
            tensor = torch.as_tensor(numbers, dtype=torch.float64, device="cpu")
            self.register_buffer(name, tensor, persistent=False)
        self._kernels: dict[tuple[object, ...], HardDriveKernel] = {}

    @classmethod
    def like(
        cls,
        name: Member,
        num_classes: int = 10,
        *,
        q: float = 0.7,
        epsilon: float = 1.0,
        alpha: float = 0.1,
        beta: float = 1.0,
        a: float = 1.0,
    ) -> Self:
        r"""Return the member of the family that equals a loss of the literature up to a constant.

        Args:
            name: ``"cross_entropy"``; ``"mae"``, the mean absolute error 2 (1 - p); ``"gce"``, generalised
                cross-entropy (1 - p^q) / q; ``"poly"``, Poly-1 with epsilon; ``"sce"``, symmetric cross-entropy
                alpha CE - beta A (1 - p) with A = -4; or ``"agce"``, asymmetric generalised cross-entropy
                ((a + 1)^q - (a + p)^q) / q, at q = 2 or 3.
            num_classes: C, 2 or more.
            q: of gce, in (0, 1]; of agce, 2 or 3.
            epsilon: of poly, above -C.
            alpha: of sce, above 0.
            beta: of sce, 0 or more.
            a: of agce, above 0.

        Raises:
            LossError: if the loss is no member, or a number is out of its range.

        Example:
            >>> DriveLoss.like("gce", q=0.7)(torch.zeros(1, 10), torch.tensor([3]))
            tensor(1.1435)

        Source: derivations.md, section 9, which names the papers.
        """
        start = 1.0 / num_classes
        if name == "cross_entropy":
            return cls(num_classes=num_classes)
        if name == "mae":
            return cls(2.0 * start, q=1.0, num_classes=num_classes)
        if name == "gce" and 0.0 < q <= 1.0:
            return cls(start**q, q=q, num_classes=num_classes)
        if name == "poly" and epsilon > -num_classes:
            return cls._cross_entropy_plus(epsilon, 1.0, num_classes)
        if name == "sce" and alpha > 0.0 and beta >= 0.0:
            return cls._cross_entropy_plus(4.0 * beta / alpha, alpha, num_classes)
        if name == "agce" and a > 0.0 and q in (2, 3):
            base = a + start
            c = (1.0 / base, 0.0) if q == 2 else (2.0 / base, 1.0 / base**2)
            return cls(start * base ** (q - 1), q=1.0, c=c, num_classes=num_classes)
        raise LossError(
            "cross_entropy, mae, gce (0 < q <= 1), poly (epsilon > -C), sce (alpha > 0, beta >= 0) or agce (a > 0, q 2 "
            "or 3)",
            f"{name!r} with q={q!r}, epsilon={epsilon!r}, alpha={alpha!r}, beta={beta!r}, a={a!r}",
            "Other losses are found by named_loss.",
        )

    @classmethod
    def _cross_entropy_plus(cls, epsilon: float, factor: float, num_classes: int) -> Self:
        """Return factor (CE + epsilon (1 - p))."""
        start = 1.0 + epsilon / num_classes
        return cls(factor * start, c=(epsilon / start, 0.0), num_classes=num_classes)

    def with_scale(self, scale: float) -> Self:
        """Return the loss of the same shape with another scale.

        Args:
            scale: s, finite.
        """
        return type(self)(**{**self.arguments(), "scale": scale})

    def __getstate__(self) -> dict[str, Any]:
        """Leave the kernels behind: a copy's tensors count their versions anew."""
        return {**self.__dict__, "_kernels": {}}

    @property
    def shape(self) -> DriveShape:
        """Scale, exponents and coefficients as tensors, and the quadrature."""
        return DriveShape(self.scale, self.q, self.g, self.c, self._nodes, self._quadrature, self.num_classes)

    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate y times the integral of the drive from h to 1, 0 where y is 0; see :meth:`Loss.elementwise`."""
        return y * self._integral(seen(h, y).log())

    def elementwise_log(self, log_h: Tensor, y: Tensor) -> Tensor:
        """Evaluate the loss from log h, 0 where y is 0; see :meth:`Loss.elementwise_log`."""
        return y * self._integral(seen_log(log_h, y))

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        """Return y D(h), 0 where y is 0; see :meth:`Loss.gamma`."""
        y = labels_like(h, y)
        h = torch.where(y == 0, 1.0 / self.num_classes, h)
        rest, shape = 1.0 - h, self.shape.like(h)
        at_one = torch.where(rest == 0.0, 0.0**shape.g, 1.0)  # the weight itself stays finite there
        return y * at_one * shape.weight(h.log(), rest) / h

    def _integral(self, log_h: Tensor) -> Tensor:
        """Return l(h) for logarithms of h of any shape, with a graph."""
        integral: Tensor = DriveIntegral.apply(log_h, *self.shape)
        return integral

    def _compute(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        if target.is_floating_point() or self.label_smoothing:
            return super()._compute(logits, target, reduction)
        try:
            if self._must_be_seen(logits):
                log_p = logits.log_softmax(-1).gather(-1, target.unsqueeze(-1)).squeeze(-1)
                losses = self._integral(log_p)
                return reduce_batch(losses if self.class_reduction == "sum" else losses / self.num_classes, reduction)
            return fused_loss(self._kernel(logits, reduction), logits, target, reduction)
        except (RuntimeError, IndexError) as error:
            raise explain_labels(error, logits, target) from None

    def _must_be_seen(self, logits: Tensor) -> bool:
        """Whether somebody compiles or transforms the single operations, or there are none."""
        return (
            torch.compiler.is_compiling()
            or torch._C._are_functorch_transforms_active()  # as autograd.Function asks itself
            or not logits.shape[0]
        )

    def _kernel(self, logits: Tensor, reduction: Reduction) -> "HardDriveKernel":
        divisor = logits.shape[0] if reduction == "mean" else 1
        if self.class_reduction == "mean":
            divisor *= self.num_classes
        scale, q, g, c = self.scale, self.q, self.g, self.c
        versions = scale._version, q._version, g._version, c._version
        key = logits.dtype, logits.device, divisor, id(scale), id(q), id(g), id(c), versions
        kernel = self._kernels.get(key)
        if kernel is None:
            with torch.inference_mode(False):
                kernel = HardDriveKernel(self.shape, divisor, logits)
            self._kernels = {key: kernel}
        return kernel

    def hyperparameters(self) -> dict[str, Any]:
        """Return scale, exponents, coefficients and number of classes."""
        return {
            "scale": float(self.scale),
            "q": float(self.q),
            "g": float(self.g),
            "c": self.c.tolist(),
            "num_classes": self.num_classes,
        }

    def expression(self) -> "sympy.Expr":
        """Return y times the integral of the drive; see :meth:`Loss.expression`."""
        import sympy

        h, p, y = sympy.symbols("h p y")
        start = sympy.Rational(1, self.num_classes)
        q, g = float(self.q), float(self.g)
        polynomial = sympy.Add(1, *(each * (p - start) ** k for k, each in enumerate(self.c.tolist(), 1) if each))
        factor = float(self.scale) * self.num_classes**q / (1.0 - 1.0 / self.num_classes) ** g
        drive = factor * p ** _exact(q - 1.0) * (1 - p) ** _exact(g) * polynomial
        return y * sympy.Integral(drive, (p, h, 1))


def _exact(number: float) -> "sympy.Expr":
    """Return whole numbers as such, because powers of them simplify."""
    import sympy

    return sympy.Integer(number) if number == int(number) else sympy.Float(number)
