"""Turn the numbers a sampler proposes into a loss."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from optuna.distributions import FloatDistribution

from glo_lightning.losses import Loss, TaylorLoss, cross_entropy_taylor, num_parameters
from glo_lightning.search.settings import Input, SearchSettings
from glo_lightning.theory import CanonicalForm, canonical, canonical_terms, normalize_drive, trainability

UNBOUNDED = FloatDistribution(-1e12, 1e12)
"""CMA-ES is unbounded; Optuna wants bounds, so these are too wide to bind."""


class LossSpace(Protocol):
    """What a sampler's proposals mean."""

    def build(self, parameters: Mapping[str, Any]) -> Loss:
        """Make the loss that a proposal describes."""
        ...


class VectorSpace(LossSpace, Protocol):
    """A family of losses as a space of real vectors."""

    @property
    def distributions(self) -> dict[str, FloatDistribution]:
        """Names and ranges of the parameters, in the order of the vector."""
        ...

    @property
    def cross_entropy(self) -> list[float]:
        """The point whose loss is the expansion of cross-entropy."""
        ...


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

    @property
    def cross_entropy(self) -> list[float]:
        """Theta of cross-entropy's expansion about (1/2, 1/2)."""
        theta: list[float] = cross_entropy_taylor(self.order).theta.tolist()
        return theta

    def build(self, parameters: Mapping[str, float]) -> TaylorLoss:
        """Make the Taylor loss whose theta the parameters spell."""
        theta = [parameters[name] for name in self.distributions]
        return TaylorLoss(theta, order=self.order, inputs=self.inputs)


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

    @property
    def cross_entropy(self) -> list[float]:
        """Canonical parameters of cross-entropy's expansion about (1/2, 1/2)."""
        return list(canonical(cross_entropy_taylor(self.order), self.num_classes).parameters)

    def build(self, parameters: Mapping[str, float]) -> TaylorLoss:
        """Make the Taylor loss with these canonical parameters."""
        values = tuple(parameters[name] for name in self.distributions)
        return CanonicalForm(values, self.order, binary=self.num_classes == 2).to_loss()


class NormalizedSpace:
    """A space whose losses are scaled to start with cross-entropy's gradient, so that only shapes compete.

    Losses that do not start downhill cannot be scaled and stay as they are; the invariant stops them.

    Args:
        space: the space of unscaled losses.
        num_classes: classes of the task.

    Source: derivations.md, section 7.3.
    """

    def __init__(self, space: VectorSpace, num_classes: int) -> None:
        self.space = space
        self.num_classes = num_classes
        self.distributions = space.distributions

    @property
    def cross_entropy(self) -> list[float]:
        """The point of the unscaled space."""
        return self.space.cross_entropy

    def build(self, parameters: Mapping[str, float]) -> Loss:
        """Make the loss and scale it."""
        loss = self.space.build(parameters)
        return normalize_drive(loss, self.num_classes) if trainability(loss, self.num_classes).exact else loss


def make_space(settings: SearchSettings, num_classes: int) -> VectorSpace:
    """Return the space that the settings ask for.

    Args:
        settings: family, order, inputs, parameters and scale.
        num_classes: classes of the task.
    """
    space: VectorSpace
    if settings.parameters == "canonical":
        space = CanonicalSpace(settings.order, num_classes)
    else:
        space = TaylorSpace(settings.order, settings.inputs)
    return NormalizedSpace(space, num_classes) if settings.normalize == "drive" else space
