"""Parametrisations of the drive, beside the library's."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from numpy.polynomial import Polynomial
from scipy.special import comb

from cost.tasks import CLASSES
from glo_lightning.losses import DriveLoss
from glo_lightning.search.spaces.drive import EXPONENT, LOG_SCALE


class BernsteinSpace:
    """Drive losses whose weight w(p) = p D(p) is a Bernstein polynomial in p, given by its coefficients.

    Args:
        link: makes coefficients of what is searched, 1 of 0.
        degree: of the polynomial.
    """

    def __init__(self, link: Callable[[np.ndarray], np.ndarray], degree: int = 4) -> None:
        self.link, self.degree = link, degree
        self.distributions = {f"b_{k}": LOG_SCALE for k in range(degree + 1)}
        self.scales: dict[str, float] = {}

    @property
    def cross_entropy(self) -> list[float]:
        return [0.0] * len(self.distributions)

    def points(self, losses: Iterable[DriveLoss]) -> list[dict[str, float]]:
        """Return the positive coefficients, as logarithms, whose weights are about those of losses.

        They are the weights at equal distances, by Bernstein's own theorem.
        """
        at = torch.linspace(0.0, 1.0, self.degree + 1, dtype=torch.float64).clamp(1e-3, 1.0)
        found = [each.shape.weight(at.log(), 1.0 - at).clamp(min=1e-3).log().tolist() for each in losses]
        return [dict(zip(self.distributions, each, strict=True)) for each in found]

    def build(self, parameters: Mapping[str, float]) -> DriveLoss:
        coefficients = self.link(np.array(list(parameters.values())))
        p, rest = Polynomial([1.0 / CLASSES, 1.0]), Polynomial([1.0 - 1.0 / CLASSES, -1.0])
        weight = sum(
            (each * comb(self.degree, k) * p**k * rest ** (self.degree - k) for k, each in enumerate(coefficients)),
            start=Polynomial([0.0]),
        )
        scale, *c = np.pad(weight.coef, (0, self.degree + 1 - len(weight.coef))).tolist()
        return DriveLoss(scale, 0.0, 0.0, [each / scale for each in c], CLASSES)


class ExponentSpace:
    """The drive family without its polynomial: scale and exponents at either end."""

    def __init__(self) -> None:
        self.distributions = {"log_scale": LOG_SCALE, "q": EXPONENT, "g": EXPONENT}
        self.cross_entropy = [0.0, 0.0, 0.0]
        self.scales: dict[str, float] = {}

    def build(self, parameters: Mapping[str, float]) -> DriveLoss:
        return DriveLoss(float(np.exp(parameters["log_scale"])), parameters["q"], parameters["g"], (), CLASSES)
