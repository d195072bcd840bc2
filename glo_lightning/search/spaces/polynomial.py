"""Taylor losses as spaces of vectors: theta, or what training can tell apart of it."""

from collections.abc import Mapping, Sequence

from glo_lightning.losses import (
    Input,
    StandardizedLoss,
    TaylorLoss,
    cross_entropy_taylor,
    mean_squared_error_taylor,
    num_parameters,
)
from glo_lightning.search.spaces.base import UNBOUNDED
from glo_lightning.theory import CanonicalForm, canonical, canonical_terms


class TaylorSpace:
    """TaylorGLO's space: theta itself, centres first.

    Args:
        order: order K of the polynomial, 1 or more.
        inputs: its variables, out of y, h, f and t.

    Example:
        >>> space = TaylorSpace(order=3, inputs=("y", "h"))
        >>> len(space.distributions)
        8
        >>> space.build(dict.fromkeys(space.distributions, 0.0)).order
        3
    """

    def __init__(self, order: int = 3, inputs: Sequence[Input] = ("y", "h")) -> None:
        self.order = order
        self.inputs = tuple(inputs)
        self.distributions = {f"theta_{k}": UNBOUNDED for k in range(num_parameters(order, self.inputs))}
        self.scales: dict[str, float] = {}

    @property
    def cross_entropy(self) -> list[float]:
        """Theta of cross-entropy's expansion about (1/2, 1/2)."""
        theta: list[float] = cross_entropy_taylor(self.order).theta.tolist()
        return theta

    @property
    def known(self) -> list[list[float]]:
        """None that has been measured."""
        return []

    def build(self, parameters: Mapping[str, float]) -> TaylorLoss:
        """Make the Taylor loss whose theta the parameters spell."""
        theta = [parameters[name] for name in self.distributions]
        return TaylorLoss(theta, order=self.order, inputs=self.inputs)


class StandardizedSpace(TaylorSpace):
    """Taylor polynomials of a standardised target and its prediction, for real outputs.

    Args:
        order: order K of the polynomial, 1 or more.
        inputs: its variables, out of y, h and t.
        mean: of the training targets, one number or one for each predicted number.
        sigma: their standard deviation, likewise.

    Example:
        >>> space = StandardizedSpace(order=2, mean=152.0, sigma=77.0)
        >>> space.build(dict(zip(space.distributions, space.cross_entropy))).formula()
        'L = 5929·h² − 11860·h·y, h = (f − 152)/77, y likewise'

    Source: derivations.md, section 11.
    """

    def __init__(
        self,
        order: int = 3,
        inputs: Sequence[Input] = ("y", "h"),
        mean: float | Sequence[float] = 0.0,
        sigma: float | Sequence[float] = 1.0,
    ) -> None:
        super().__init__(order, inputs)
        self.mean = mean
        self.sigma = sigma

    @property
    def cross_entropy(self) -> list[float]:
        """The squared error but for the targets' own squares, which nothing feels."""
        theta: list[float] = mean_squared_error_taylor(self.order).theta.tolist()
        return theta

    def build(self, parameters: Mapping[str, float]) -> StandardizedLoss:  # type: ignore[override]
        """Make the loss whose theta the parameters spell."""
        return StandardizedLoss(super().build(parameters), self.mean, self.sigma)


class CanonicalSpace:
    """The parameters of a Taylor loss that training can tell apart: 4 instead of 8 at order 3.

    Args:
        order: order K of the polynomial, 2 or more.
        num_classes: classes of the task; two classes have fewer parameters.

    Example:
        >>> len(CanonicalSpace(order=3, num_classes=10).distributions)
        4

    Source: derivations.md, section 7.2.
    """

    def __init__(self, order: int, num_classes: int) -> None:
        self.order = order
        self.num_classes = num_classes
        terms = canonical_terms(order, binary=num_classes == 2)
        self.distributions = {f"theta_{k}": UNBOUNDED for k in range(len(terms))}
        self.scales: dict[str, float] = {}

    @property
    def cross_entropy(self) -> list[float]:
        """Canonical parameters of cross-entropy's expansion about (1/2, 1/2)."""
        return list(canonical(cross_entropy_taylor(self.order), self.num_classes).parameters)

    @property
    def known(self) -> list[list[float]]:
        """None that has been measured."""
        return []

    def build(self, parameters: Mapping[str, float]) -> TaylorLoss:
        """Make the Taylor loss with these canonical parameters."""
        values = tuple(parameters[name] for name in self.distributions)
        return CanonicalForm(values, self.order, binary=self.num_classes == 2).to_loss()
