"""Drive losses as spaces of vectors: of classes, and of yes or no."""

import math
from collections.abc import Mapping

from optuna.distributions import FloatDistribution

from glo_lightning.losses import DriveLoss, TwoSidedLoss, two_sided_drive
from glo_lightning.losses.drive import Member
from glo_lightning.search.spaces.base import UNBOUNDED

EXPONENT = FloatDistribution(-0.95, 16.0)
"""Exponents must be above -1."""

LOG_SCALE = FloatDistribution(-17.0, 16.0)
"""Beyond these nothing trains; the literature's losses of ten million classes are still within."""

KNOWN: tuple[tuple[Member, float], ...] = (("cross_entropy", 0.0), ("gce", 0.7), ("sce", 0.0), ("agce", 2.0))
"""Members that the literature recommends, with the exponent q that it recommends for them."""


def shape_of(loss: DriveLoss) -> dict[str, float]:
    """Return the parameters of a drive loss but for its scale; coefficients beyond the second are left out."""
    c_1, c_2 = [*loss.c.tolist(), 0.0, 0.0][:2]
    return {"q": float(loss.q), "g": float(loss.g), "c_1": c_1, "c_2": c_2}


class DriveSpace:
    """The drive family: scale, exponents at either end, and two coefficients of a polynomial.

    Args:
        num_classes: classes of the task, 2 or more.
        with_scale: whether the scale is searched here, as its logarithm; otherwise it is 1.

    Example:
        >>> space = DriveSpace(num_classes=10)
        >>> list(space.distributions)
        ['log_scale', 'q', 'g', 'c_1', 'c_2']
        >>> space.build(dict.fromkeys(space.distributions, 0.0)).to_dict() == DriveLoss().to_dict()
        True
        >>> len(space.known)
        4

    Source: derivations.md, section 9.
    """

    def __init__(self, num_classes: int, with_scale: bool = True) -> None:
        self.num_classes = num_classes
        self.with_scale = with_scale
        shape = {"q": EXPONENT, "g": EXPONENT, "c_1": UNBOUNDED, "c_2": UNBOUNDED}
        self.distributions = {"log_scale": LOG_SCALE, **shape} if with_scale else shape
        self.scales: dict[str, float] = {}

    @property
    def cross_entropy(self) -> list[float]:
        """Zeros, which are cross-entropy itself."""
        return [0.0] * len(self.distributions)

    @property
    def known(self) -> list[list[float]]:
        """Cross-entropy, and the generalised, symmetric and asymmetric generalised ones, which stand label noise."""
        losses = [DriveLoss.like(name, self.num_classes, q=q) for name, q in KNOWN]
        return [self._point(loss) for loss in losses]

    def _point(self, loss: DriveLoss) -> list[float]:
        shape = list(shape_of(loss).values())
        return [math.log(float(loss.scale)), *shape] if self.with_scale else shape

    def build(self, parameters: Mapping[str, float]) -> DriveLoss:
        """Make the drive loss with these parameters."""
        scale = math.exp(parameters["log_scale"]) if self.with_scale else 1.0
        c = (parameters["c_1"], parameters["c_2"])
        return DriveLoss(scale, parameters["q"], parameters["g"], c, self.num_classes)


class TwoSidedDriveSpace:
    """Drive losses of two classes, no and yes, for sigmoid outputs: exponents at either end for each of them.

    The scale weighs both, the balance shifts weight from one to the other: its hyperbolic tangent is the share.

    Args:
        with_scale: as in :class:`DriveSpace`.

    Example:
        >>> space = TwoSidedDriveSpace()
        >>> list(space.distributions)
        ['log_scale', 'balance', 'q_yes', 'g_yes', 'q_no', 'g_no']
        >>> space.build(dict.fromkeys(space.distributions, 0.0)).to_dict() == two_sided_drive().to_dict()
        True

    Source: derivations.md, section 9.2.
    """

    def __init__(self, with_scale: bool = True) -> None:
        self.with_scale = with_scale
        exponents = dict.fromkeys(("q_yes", "g_yes", "q_no", "g_no"), EXPONENT)
        shape = {"balance": LOG_SCALE, **exponents}
        self.distributions = {"log_scale": LOG_SCALE, **shape} if with_scale else shape
        self.scales = dict.fromkeys(exponents, 0.5)

    @property
    def cross_entropy(self) -> list[float]:
        """Zeros, which are binary cross-entropy itself."""
        return [0.0] * len(self.distributions)

    @property
    def known(self) -> list[list[float]]:
        """None that has been measured."""
        return []

    def build(self, parameters: Mapping[str, float]) -> TwoSidedLoss:
        """Make the drive loss with these parameters."""
        return two_sided_drive(
            math.exp(parameters["log_scale"]) if self.with_scale else 1.0,
            math.tanh(parameters["balance"]),
            (parameters["q_yes"], parameters["g_yes"]),
            (parameters["q_no"], parameters["g_no"]),
        )
