"""The space that the settings of a search ask for."""

from collections.abc import Sequence

from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.base import LossSpace, VectorSpace
from glo_lightning.search.spaces.drive import DriveSpace, TwoSidedDriveSpace
from glo_lightning.search.spaces.polynomial import CanonicalSpace, StandardizedSpace, TaylorSpace
from glo_lightning.search.spaces.residual import ResidualSpace
from glo_lightning.search.spaces.wrapped import ClassAwareSpace, HeadsSpace, NormalizedSpace, SigmoidSpace


def make_space(
    settings: SearchSettings,
    num_classes: int,
    num_heads: int = 1,
    class_counts: Sequence[float] = (),
    mean: float | Sequence[float] = 0.0,
    sigma: float | Sequence[float] = 1.0,
) -> VectorSpace:
    """Return the space of vectors that the settings ask for.

    Args:
        settings: family, order, inputs and parameters.
        num_classes: classes of the task.
        num_heads: heads of the network, each of which gets a loss.
        class_counts: training samples of each class; none unless losses shall know them.
        mean: of real outputs, that of the training targets.
        sigma: of real outputs, the standard deviation of the training targets.
    """
    space: VectorSpace = TaylorSpace(settings.order, settings.inputs)
    if settings.loss_family == "taylor" and settings.outputs == "real":
        return StandardizedSpace(settings.order, settings.inputs, mean, sigma)
    if settings.loss_family == "drive":
        with_scale = LEARNING_RATE_FACTOR not in settings.joint
        of_yes_or_no = settings.outputs == "sigmoid"
        space = TwoSidedDriveSpace(with_scale) if of_yes_or_no else DriveSpace(num_classes, with_scale)
    elif settings.loss_family == "residual":
        space = ResidualSpace(sigma)
    elif settings.loss_parameters == "canonical":
        space = CanonicalSpace(settings.order, num_classes)
    if class_counts:
        space = ClassAwareSpace(space, class_counts)
    return space if num_heads == 1 else HeadsSpace(space, num_heads)


def as_asked(space: LossSpace, settings: SearchSettings, num_classes: int) -> LossSpace:
    """Return the space itself, or normalised or for sigmoid outputs if the settings ask for that."""
    if settings.normalize == "drive":
        space = NormalizedSpace(space, num_classes)
    return SigmoidSpace(space) if settings.outputs == "sigmoid" else space
