"""Losses that the literature recommends, ready to be tried before anything is searched."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from glo_lightning.errors import LossError
from glo_lightning.losses.active_passive import ActivePassiveLoss
from glo_lightning.losses.base import Loss
from glo_lightning.losses.class_aware import ClassAwareLoss, counts_of
from glo_lightning.losses.classic import CrossEntropyLoss, FocalLoss, MeanSquaredErrorLoss, PolyLoss
from glo_lightning.losses.drive import DriveLoss
from glo_lightning.losses.options import Outputs
from glo_lightning.losses.residual import ResidualLoss
from glo_lightning.losses.robust import AbsoluteErrorLoss, HuberLoss, LogCoshLoss
from glo_lightning.losses.sigmoid import SigmoidLoss
from glo_lightning.losses.tversky import TverskyLoss
from glo_lightning.losses.two_sided import TwoSidedLoss, asymmetric_loss

EFFECTIVE = 0.999
"""Share by which another sample of a class adds less than the one before. Source: arXiv:1901.05555, section 5."""

LARGEST_MARGIN = 0.5
"""Margin of the rarest class. Source: arXiv:1906.07413, appendix on implementation."""


@dataclass(frozen=True)
class KnownLoss:
    """A loss of the literature.

    Args:
        loss: with the paper's own parameters.
        source: the paper.
        is_symmetric: whether the sum over all labels is the same for every output, so that symmetric label noise
            cannot mislead it.
    """

    loss: Loss
    source: str
    is_symmetric: bool = False


def known_losses(
    num_classes: int, class_counts: Sequence[int] | None = None, outputs: Outputs = "softmax"
) -> dict[str, KnownLoss]:
    """Return losses of the literature by name, those that fit a model's outputs.

    Args:
        num_classes: C, 2 or more; 2 for sigmoid outputs.
        class_counts: training samples of each class; with them, losses for long tails are among the others. Of softmax
            outputs only.
        outputs: what the model's logits mean.

    Returns:
        Cross-entropy first.

    Raises:
        LossError: if there are fewer than two classes, or for sigmoid outputs others than two; or a class has no
            samples, or not all are counted.

    Example:
        >>> list(known_losses(10))[:4]
        ['cross_entropy', 'label_smoothing', 'focal', 'poly']
        >>> known_losses(2, [90, 10])["logit_adjusted"].loss.tau
        tensor(1., dtype=torch.float64)
        >>> list(known_losses(2, outputs="sigmoid"))[-3:]
        ['asymmetric', 'dice', 'tversky']

    Source: each loss names its own.
    """
    if outputs not in ("softmax", "sigmoid"):
        raise LossError(
            "outputs 'softmax' or 'sigmoid'", repr(outputs), "Of predicted numbers, call known_regression_losses."
        )
    known = {
        "cross_entropy": KnownLoss(CrossEntropyLoss(), "the usual one"),
        "label_smoothing": KnownLoss(CrossEntropyLoss(label_smoothing=0.1), "Szegedy et al., arXiv:1512.00567"),
        "focal": KnownLoss(FocalLoss(2.0), "Lin et al., arXiv:1708.02002"),
        "poly": KnownLoss(PolyLoss(1.0), "Leng et al., arXiv:2204.12511"),
        "mean_squared_error": KnownLoss(MeanSquaredErrorLoss(), "Brier, 1950"),
        "mean_absolute_error": KnownLoss(DriveLoss.like("mae", num_classes), "Ghosh et al., arXiv:1712.09482", True),
        "generalised_cross_entropy": KnownLoss(DriveLoss.like("gce", num_classes), "Zhang, Sabuncu, arXiv:1805.07836"),
        "symmetric_cross_entropy": KnownLoss(DriveLoss.like("sce", num_classes), "Wang et al., arXiv:1908.06112"),
        "active_passive": KnownLoss(ActivePassiveLoss(), "Ma et al., arXiv:2006.13554", True),
        "asymmetric_generalised_cross_entropy": KnownLoss(
            DriveLoss.like("agce", num_classes, q=2.0), "Zhou et al., arXiv:2106.03110"
        ),
    }
    if outputs == "sigmoid":
        if num_classes != 2 or class_counts is not None:
            raise LossError(
                "two classes, no and yes, without counts, for sigmoid outputs",
                f"num_classes={num_classes!r} and class_counts={class_counts!r}",
                "Use num_classes=2, and asymmetric_loss where most labels are no.",
            )
        known = {name: replace(each, loss=SigmoidLoss(each.loss)) for name, each in known.items()}
        known["asymmetric"] = KnownLoss(asymmetric_loss(), "Ridnik et al., arXiv:2009.14119")
    known |= _of_overlap(outputs)
    return known if class_counts is None else known | _of_frequencies(num_classes, class_counts)


def _of_overlap(outputs: Outputs) -> dict[str, KnownLoss]:
    """Return losses for masks; of sigmoid outputs, the yes alone counts."""

    def make(alpha: float, beta: float) -> Loss:
        if outputs == "softmax":
            return TverskyLoss(alpha, beta)
        return SigmoidLoss(TwoSidedLoss(TverskyLoss(alpha, beta, class_reduction="sum")))

    return {
        "dice": KnownLoss(make(0.5, 0.5), "Milletari et al., arXiv:1606.04797"),
        "tversky": KnownLoss(make(0.3, 0.7), "Salehi et al., arXiv:1706.05721"),
    }


def _of_frequencies(num_classes: int, class_counts: Sequence[int]) -> dict[str, KnownLoss]:
    """Return losses for long tails."""
    counts = counts_of(class_counts, num_classes)
    effective = [(1.0 - EFFECTIVE**count) / (1.0 - EFFECTIVE) for count in counts]
    margin = LARGEST_MARGIN * min(counts) ** 0.25
    cross_entropy = CrossEntropyLoss()
    return {
        "logit_adjusted": KnownLoss(ClassAwareLoss(cross_entropy, counts, tau=1.0), "Menon et al., arXiv:2007.07314"),
        "class_balanced": KnownLoss(
            ClassAwareLoss(cross_entropy, effective, tau=0.0, beta=1.0), "Cui et al., arXiv:1901.05555"
        ),
        "label_distribution_aware_margin": KnownLoss(
            ClassAwareLoss(cross_entropy, counts, tau=0.0, margin=margin), "Cao et al., arXiv:1906.07413"
        ),
    }


def known_regression_losses(sigma: float | Sequence[float] = 1.0) -> dict[str, KnownLoss]:
    """Return losses of the literature by name, for predicted numbers.

    Args:
        sigma: standard deviation of the training targets, in which each says what is far off; one number or one for
            each predicted number.

    Returns:
        The squared error first.

    Raises:
        LossError: if sigma is not above 0.

    Example:
        >>> list(known_regression_losses())[:4]
        ['squared_error', 'absolute_error', 'huber', 'pseudo_huber']

    Source: each loss names its own.
    """
    return {
        "squared_error": KnownLoss(ResidualLoss(sigma=sigma), "Legendre, 1805"),
        "absolute_error": KnownLoss(AbsoluteErrorLoss(sigma), "Laplace, 1774"),
        "huber": KnownLoss(HuberLoss(1.0, sigma), "Huber, 1964"),
        "pseudo_huber": KnownLoss(ResidualLoss(1.0, sigma=sigma), "Charbonnier et al., 1994"),
        "log_cosh": KnownLoss(LogCoshLoss(sigma), "Green, 1990"),
        "cauchy": KnownLoss(ResidualLoss(0.0, sigma=sigma), "Black, Anandan, 1996"),
        "geman_mcclure": KnownLoss(ResidualLoss(-2.0, sigma=sigma), "Geman, McClure, 1985"),
    }
