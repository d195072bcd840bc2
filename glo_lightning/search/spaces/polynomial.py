"""Turn the numbers a sampler proposes into a loss."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from optuna.distributions import FloatDistribution

from glo_lightning.errors import LossError
from glo_lightning.losses import HeadsLoss, Loss, SigmoidLoss, TaylorLoss, cross_entropy_taylor, num_parameters
from glo_lightning.search.settings import Input, SearchSettings
from glo_lightning.theory import CanonicalForm, canonical, canonical_terms, normalize_drive

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


class HeadsSpace:
    """A loss for each head of a network: the vectors of all of them in one.

    Args:
        space: of the loss of one head.
        num_heads: the main head and the auxiliary heads; 2 or more.

    Example:
        >>> list(HeadsSpace(TaylorSpace(order=1), num_heads=2).distributions)
        ['theta_0', 'theta_1', 'theta_2', 'head_1.theta_0', 'head_1.theta_1', 'head_1.theta_2']
    """

    def __init__(self, space: VectorSpace, num_heads: int) -> None:
        self.space = space
        self._prefixes = ["", *(f"head_{head}." for head in range(1, num_heads))]
        own = space.distributions
        self.distributions = {prefix + name: own[name] for prefix in self._prefixes for name in own}

    @property
    def cross_entropy(self) -> list[float]:
        """The point whose losses are the expansion of cross-entropy."""
        return self.space.cross_entropy * len(self._prefixes)

    def build(self, parameters: Mapping[str, float]) -> HeadsLoss:
        """Make the losses of all heads."""
        names = self.space.distributions
        return HeadsLoss(
            [self.space.build({name: parameters[prefix + name] for name in names}) for prefix in self._prefixes]
        )


class NormalizedSpace:
    """A space whose losses are scaled to start with cross-entropy's gradient, so that only shapes compete.

    Losses that do not start downhill cannot be scaled and stay as they are; the invariant or the screen stops them.

    Args:
        space: the space of unscaled losses.
        num_classes: classes of the task.

    Source: derivations.md, section 7.3.
    """

    def __init__(self, space: LossSpace, num_classes: int) -> None:
        self.space = space
        self.num_classes = num_classes

    def build(self, parameters: Mapping[str, Any]) -> Loss:
        """Make the loss and, where that is possible, scale it."""
        loss = self.space.build(parameters)
        if isinstance(loss, HeadsLoss):
            return HeadsLoss([self._normalize(each) for each in loss.losses])
        return self._normalize(loss)

    def _normalize(self, loss: Loss) -> Loss:
        try:
            return normalize_drive(loss, self.num_classes)
        except LossError:
            return loss


class SigmoidSpace:
    """A space of losses for models with sigmoid outputs: those of another space, which see every logit as two classes.

    Args:
        space: the space of the losses inside.
    """

    def __init__(self, space: LossSpace) -> None:
        self.space = space

    def build(self, parameters: Mapping[str, Any]) -> SigmoidLoss:
        """Make the loss inside, and wrap it."""
        return SigmoidLoss(self.space.build(parameters))


def make_space(settings: SearchSettings, num_classes: int, num_heads: int = 1) -> VectorSpace:
    """Return the space of vectors that the settings ask for.

    Args:
        settings: order, inputs and parameters.
        num_classes: classes of the task.
        num_heads: heads of the network, each of which gets a loss.
    """
    space: VectorSpace = TaylorSpace(settings.order, settings.inputs)
    if settings.parameters == "canonical":
        space = CanonicalSpace(settings.order, num_classes)
    return space if num_heads == 1 else HeadsSpace(space, num_heads)


def as_asked(space: LossSpace, settings: SearchSettings, num_classes: int) -> LossSpace:
    """Return the space itself, or normalised or for sigmoid outputs if the settings ask for that."""
    if settings.normalize == "drive":
        space = NormalizedSpace(space, num_classes)
    return SigmoidSpace(space) if settings.outputs == "sigmoid" else space
