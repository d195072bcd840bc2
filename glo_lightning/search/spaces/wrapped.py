"""Spaces made of another space: for several heads, of one scale, of sigmoid outputs, aware of classes."""

from collections.abc import Mapping, Sequence
from typing import Any

from glo_lightning.errors import LossError
from glo_lightning.losses import ClassAwareLoss, HeadsLoss, Loss, SigmoidLoss
from glo_lightning.search.spaces.base import UNBOUNDED, LossSpace, VectorSpace
from glo_lightning.theory import normalize_drive


class HeadsSpace:
    """A loss for each head of a network: the vectors of all of them in one.

    Args:
        space: of the loss of one head.
        num_heads: the main head and the auxiliary heads; 2 or more.

    Example:
        >>> from glo_lightning.search.spaces.polynomial import TaylorSpace
        >>> list(HeadsSpace(TaylorSpace(order=1), num_heads=2).distributions)
        ['theta_0', 'theta_1', 'theta_2', 'head_1.theta_0', 'head_1.theta_1', 'head_1.theta_2']
    """

    def __init__(self, space: VectorSpace, num_heads: int) -> None:
        self.space = space
        self._prefixes = ["", *(f"head_{head}." for head in range(1, num_heads))]
        own = space.distributions
        self.distributions = {prefix + name: own[name] for prefix in self._prefixes for name in own}
        self.scales = {prefix + name: unit for prefix in self._prefixes for name, unit in space.scales.items()}

    @property
    def cross_entropy(self) -> list[float]:
        """The point whose losses are cross-entropy, or its expansion."""
        return self.space.cross_entropy * len(self._prefixes)

    @property
    def known(self) -> list[list[float]]:
        """Points where all heads have the same loss of the literature."""
        return [point * len(self._prefixes) for point in self.space.known]

    def repeated(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """Return the point whose losses are all the one of these parameters."""
        return {prefix + name: value for prefix in self._prefixes for name, value in parameters.items()}

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


class ClassAwareSpace:
    """A space of losses that know how frequent the classes are: tau, beta and margin join the parameters.

    Args:
        space: the space of the losses inside.
        class_counts: training samples of each class.

    Example:
        >>> from glo_lightning.search.spaces.drive import DriveSpace
        >>> list(ClassAwareSpace(DriveSpace(2), [9, 1]).distributions)[-3:]
        ['tau', 'beta', 'margin']

    Source: derivations.md, section 9.1.
    """

    def __init__(self, space: VectorSpace, class_counts: Sequence[float]) -> None:
        self.space = space
        self.class_counts = class_counts
        self.distributions = {**space.distributions, **dict.fromkeys(("tau", "beta", "margin"), UNBOUNDED)}
        self.scales = space.scales

    @property
    def cross_entropy(self) -> list[float]:
        """The point whose loss is cross-entropy of everybody alike."""
        return [*self.space.cross_entropy, 0.0, 0.0, 0.0]

    @property
    def known(self) -> list[list[float]]:
        """Points of losses of the literature whose logits are adjusted by how frequent the classes are."""
        return [[*point, 1.0, 0.0, 0.0] for point in self.space.known]

    def build(self, parameters: Mapping[str, float]) -> ClassAwareLoss:
        """Make the loss inside, and wrap it."""
        own = [parameters[name] for name in ("tau", "beta", "margin")]
        return ClassAwareLoss(self.space.build(parameters), self.class_counts, *own)
