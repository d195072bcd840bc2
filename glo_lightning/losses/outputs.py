"""What a model's outputs mean, and which losses are for them."""

from collections.abc import Sequence

from glo_lightning.errors import LossError
from glo_lightning.losses.base import Loss
from glo_lightning.losses.classic import CrossEntropyLoss
from glo_lightning.losses.options import Outputs
from glo_lightning.losses.regression import RegressionLoss
from glo_lightning.losses.residual import ResidualLoss
from glo_lightning.losses.sigmoid import SigmoidLoss
from glo_lightning.options import option


def for_outputs(loss: Loss, outputs: Outputs) -> Loss:
    """Return a loss as a model's outputs need it: for sigmoid outputs a :class:`SigmoidLoss` of one for softmax.

    Args:
        loss: any loss.
        outputs: of the model.

    Raises:
        LossError: if one of the two is about classes and the other about numbers.
    """
    if (loss.outputs == "real") != (outputs == "real"):
        kinds = {False: "classes", True: "real-valued predictions"}
        raise LossError(
            f"a loss of {kinds[outputs == 'real']} for {option('outputs', outputs)}",
            f"{loss.family}, a loss of {kinds[loss.outputs == 'real']}",
            "Use squared_error, absolute_error, huber, log_cosh, quantile, or a loss found for such outputs."
            if outputs == "real"
            else f"Set {option('outputs', 'real')} if the targets are real-valued; if not, use another loss.",
        )
    return SigmoidLoss(loss) if outputs == "sigmoid" and loss.outputs == "softmax" else loss


def baseline_loss(outputs: Outputs) -> Loss:
    """Return what everybody trains with: cross-entropy, or for real-valued predictions the squared error.

    Args:
        outputs: of the model.

    Example:
        >>> baseline_loss("real")
        ResidualLoss(alpha=2.0, scale=1.0, skew=0.0, sigma=1.0, reduction='mean')
    """
    return ResidualLoss() if outputs == "real" else for_outputs(CrossEntropyLoss(), outputs)


def in_units_of(loss: Loss, sigma: float | Sequence[float]) -> Loss:
    """Return a loss of real-valued predictions in units of some targets' spread; any other as it is.

    Args:
        loss: as a name stands for it.
        sigma: standard deviation of the training targets.
    """
    return loss.with_sigma(sigma) if isinstance(loss, RegressionLoss) else loss
