"""Losses that the literature recommends, ready to be tried before anything is searched."""

from collections.abc import Sequence
from dataclasses import dataclass

from glo_lightning.losses.active_passive import ActivePassiveLoss
from glo_lightning.losses.base import Loss
from glo_lightning.losses.class_aware import ClassAwareLoss
from glo_lightning.losses.classic import CrossEntropyLoss, FocalLoss, MeanSquaredErrorLoss, PolyLoss
from glo_lightning.losses.drive import DriveLoss

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


def known_losses(num_classes: int, class_counts: Sequence[int] | None = None) -> dict[str, KnownLoss]:
    """Return losses of the literature by name, for softmax outputs.

    Args:
        num_classes: C, 2 or more.
        class_counts: training samples of each class; with them, losses for long tails are among the others.

    Returns:
        Cross-entropy first.

    Raises:
        LossError: if there are fewer than two classes, or a class has no samples.

    Example:
        >>> list(known_losses(10))[:4]
        ['cross_entropy', 'label_smoothing', 'focal', 'poly']
        >>> known_losses(2, [90, 10])["logit_adjusted"].loss.tau
        tensor(1., dtype=torch.float64)

    Source: each loss names its own.
    """
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
    if class_counts is not None:
        effective = [(1.0 - EFFECTIVE**count) / (1.0 - EFFECTIVE) for count in class_counts]
        margin = LARGEST_MARGIN * min(class_counts) ** 0.25
        cross_entropy = CrossEntropyLoss()
        known |= {
            "logit_adjusted": KnownLoss(
                ClassAwareLoss(cross_entropy, class_counts, tau=1.0), "Menon et al., arXiv:2007.07314"
            ),
            "class_balanced": KnownLoss(
                ClassAwareLoss(cross_entropy, effective, tau=0.0, beta=1.0), "Cui et al., arXiv:1901.05555"
            ),
            "label_distribution_aware_margin": KnownLoss(
                ClassAwareLoss(cross_entropy, class_counts, tau=0.0, margin=margin), "Cao et al., arXiv:1906.07413"
            ),
        }
    return known
