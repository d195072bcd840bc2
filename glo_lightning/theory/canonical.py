"""The canonical form of a Taylor loss: the numbers that training can tell apart, and no others."""

import math
from dataclasses import dataclass
from typing import Literal

from glo_lightning.errors import LossError
from glo_lightning.losses import (
    ClassReduction,
    Loss,
    MeanSquaredErrorLoss,
    Reduction,
    ScaledLoss,
    TaylorLoss,
    mean_squared_error_taylor,
    multi_indices,
)
from glo_lightning.theory.smoothing import smooth_labels

Labels = Literal["hard", "soft"]
Term = tuple[int, int]
"""Exponents of h and y in gamma."""

SAME = 1e-9
"""Parameters closer than this, relative to the largest, are equal: it is far above rounding and far below effect."""


@dataclass(frozen=True, eq=False)
class CanonicalForm:
    r"""A loss up to what no training can feel; equal forms train identically, whatever network and optimizer.

    .. math:: \gamma(y, h) = \sum_{(j, m)} g_{jm} (h - c)^j (y - c)^m, \qquad
        c = \tfrac12 \text{ for soft labels of two classes, else } 0

    Args:
        parameters: g, one finite number per :func:`canonical_terms`; 2K - 2 for hard labels of three or more classes.
        order: K of the Taylor loss, 1 or more.
        labels: ``"hard"`` (one-hot) or ``"soft"`` (any distribution).
        binary: whether there are two classes only.
        class_reduction: as in :class:`Loss`; forms that differ in it differ by a factor C.
        reduction: as in :class:`Loss`.

    Raises:
        LossError: if the number of parameters does not fit.

    Example:
        A search space of four numbers for the eight of order 3:

        >>> form = CanonicalForm((-2.0, 0.0, 2.0, 0.0), order=3)
        >>> form.to_loss().theta
        tensor([ 0.,  0.,  0., -2.,  0.,  2.,  0.,  0.], dtype=torch.float64)
        >>> form == canonical(MeanSquaredErrorLoss())
        True

    Source: derivations.md, section 7.2.
    """

    parameters: tuple[float, ...]
    order: int = 3
    labels: Labels = "hard"
    binary: bool = False
    class_reduction: ClassReduction = "sum"
    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        names = canonical_terms(self.order, self.labels, self.binary)
        if len(self.parameters) != len(names) or not all(math.isfinite(value) for value in self.parameters):
            raise LossError(
                f"{len(names)} finite parameters for order {self.order}",
                repr(self.parameters),
                "Pass one number for each of canonical_terms(order, labels, binary).",
            )

    @property
    def terms(self) -> dict[Term, float]:
        """The parameters by their exponents of h and y."""
        return dict(zip(canonical_terms(self.order, self.labels, self.binary), self.parameters, strict=True))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CanonicalForm) or self._kind != other._kind:
            return False
        mine, others = self.terms, other.terms
        tolerance = SAME * max(map(abs, (*self.parameters, *other.parameters)), default=0.0)
        return all(abs(mine.get(t, 0.0) - others.get(t, 0.0)) <= tolerance for t in mine.keys() | others.keys())

    @property
    def _kind(self) -> tuple[str, bool, str, str]:
        return self.labels, self.binary, self.class_reduction, self.reduction

    def to_loss(self) -> TaylorLoss:
        """Return the Taylor loss with these parameters, centred where they are defined and without idle terms.

        Its order is K, except for hard labels of two classes and even K, where it is K + 1.
        """
        terms = {(m, j + 1): math.factorial(m) * math.factorial(j) * value for (j, m), value in self.terms.items()}
        order = max([self.order, *(m + j for m, j in terms)])
        center = 0.5 if self.binary and self.labels == "soft" else 0.0
        coefficients = [terms.get((m, j), 0.0) for m, j in multi_indices(order, ("y", "h"))]
        return TaylorLoss(
            [center, center, *coefficients],
            order,
            class_reduction=self.class_reduction,
            reduction=self.reduction,
        )


def canonical_terms(order: int, labels: Labels = "hard", binary: bool = False) -> list[Term]:
    """List the terms of gamma that training can tell apart, as exponents of h and y.

    Args:
        order: K, 1 or more.
        labels: ``"hard"`` or ``"soft"``.
        binary: whether there are two classes only.

    Returns:
        2K - 2 terms for hard labels; K (K + 1) / 2 - 1 for soft ones; fewer for two classes.

    Raises:
        LossError: if ``order`` or ``labels`` is not one of these.

    Example:
        >>> canonical_terms(3)
        [(1, 0), (2, 0), (0, 1), (1, 1)]

    Source: derivations.md, section 7.2.
    """
    if order < 1 or labels not in ("hard", "soft"):
        raise LossError(
            "an order of 1 or more and labels 'hard' or 'soft'", f"{order!r}, {labels!r}", "Use 3 and 'hard'."
        )
    if labels == "hard":
        if binary:
            return [(j, 1) for j in range(2 * (order // 2))]
        return [(j, 0) for j in range(1, order)] + [(j, 1) for j in range(order - 1)]
    degrees = range(1, order, 2 if binary else 1)
    return [(degree - m, m) for degree in degrees for m in range(degree + 1)]


def canonical(loss: Loss, num_classes: int | None = None, labels: Labels = "hard") -> CanonicalForm:
    """Return the canonical form of a loss that is a polynomial in y and h.

    Args:
        loss: a Taylor loss of y and h, mean squared error, or one of these scaled.
        num_classes: C; needed where it matters, for two classes and for losses with label smoothing.
        labels: the labels of the data, ``"hard"`` or ``"soft"``. Smoothing of hard labels by the loss itself is hard.

    Returns:
        The form; two losses have equal forms exactly if they train identically.

    Raises:
        LossError: if the loss is not such a polynomial, or ``num_classes`` is missing.

    Example:
        Moving the centre along with the coefficients changes nothing, nor does the constant in gamma:

        >>> one = TaylorLoss([0.0, 0.0, 0.0, -2.0, 0.0, 2.0, 0.0, 0.0])
        >>> other = TaylorLoss([0.5, 1.0, 7.0, -2.0, 0.0, 2.0, 0.0, 0.0])
        >>> canonical(one) == canonical(other)
        True

    Source: derivations.md, section 7.2.
    """
    taylor, factor = _as_polynomial(loss)
    if taylor.label_smoothing:
        if num_classes is None:
            raise LossError("num_classes", "a loss with label smoothing", "Pass the number of classes of the data.")
        plain = TaylorLoss(**{**taylor.arguments(), "label_smoothing": 0.0})
        taylor = smooth_labels(plain, taylor.label_smoothing, num_classes)
    gamma: list[list[float]] = taylor.gamma_coefficients().tolist()
    terms = {(j, m): value for j, row in enumerate(gamma) for m, value in enumerate(row)}
    binary = num_classes == 2
    if labels == "hard":
        terms = _merge_labels(terms)
        if binary:
            terms = _merge_classes(terms)
    elif binary:
        terms = _center(terms)
    order = taylor.order
    parameters = tuple(factor * terms.get(term, 0.0) for term in canonical_terms(order, labels, binary))
    return CanonicalForm(parameters, order, labels, binary, taylor.class_reduction, taylor.reduction)


def _as_polynomial(loss: Loss) -> tuple[TaylorLoss, float]:
    if isinstance(loss, ScaledLoss):
        taylor, factor = _as_polynomial(loss.loss)
        return taylor, factor * loss.factor
    if isinstance(loss, MeanSquaredErrorLoss):
        theta = mean_squared_error_taylor(2).theta
        return TaylorLoss(theta, order=2, **loss.arguments()), 1.0
    if not isinstance(loss, TaylorLoss) or not set(loss.inputs) <= {"y", "h"}:
        raise LossError(
            "a polynomial of label and scaled logit",
            f"{type(loss).__name__} of {getattr(loss, 'inputs', loss.family)}",
            "Only Taylor losses with inputs y and h have a canonical form.",
        )
    return loss, 1.0


def _merge_labels(terms: dict[Term, float]) -> dict[Term, float]:
    """Merge the powers of a label that is 0 or 1."""
    merged: dict[Term, float] = {}
    for (j, m), value in terms.items():
        merged[j, min(m, 1)] = merged.get((j, min(m, 1)), 0.0) + value
    return merged


def _merge_classes(terms: dict[Term, float]) -> dict[Term, float]:
    """Charge the target with what the only non-target feels: D(h) = gamma(h, 1) - gamma(1 - h, 0)."""
    merged: dict[Term, float] = {}
    for (j, m), value in terms.items():
        merged[j, 1] = merged.get((j, 1), 0.0) + value
        if m == 0:
            for i, binomial in enumerate(_binomial(-1.0, 1.0, j)):
                merged[i, 1] = merged.get((i, 1), 0.0) - value * binomial
    return merged


def _center(terms: dict[Term, float]) -> dict[Term, float]:
    """Expand about y = h = 1/2."""
    centered: dict[Term, float] = {}
    for (j, m), value in terms.items():
        for i, of_h in enumerate(_binomial(1.0, 0.5, j)):
            for k, of_y in enumerate(_binomial(1.0, 0.5, m)):
                centered[i, k] = centered.get((i, k), 0.0) + value * of_h * of_y
    return centered


def _binomial(slope: float, shift: float, exponent: int) -> list[float]:
    """Expand (slope x + shift)^exponent in powers of x."""
    return [math.comb(exponent, i) * slope**i * shift ** (exponent - i) for i in range(exponent + 1)]
