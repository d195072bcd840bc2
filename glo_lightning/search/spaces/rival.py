"""Cross-entropy with what people tune of it, as a space: the rival of what a search finds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from glo_lightning.callbacks.learning_rate import LEARNING_RATE_FACTOR
from glo_lightning.losses import ClassAwareLoss, CrossEntropyLoss, Loss, Outputs, for_outputs
from glo_lightning.search.spaces.base import UNBOUNDED

MOST = 0.95
"""The strongest label smoothing; more leaves nothing of the label."""

UNITS = {"smoothing": 0.2, "tau": 0.5, "beta": 0.5, "log_pos_weight": 1.0}
"""What CMA-ES counts as 1 in each parameter."""


class RivalSpace:
    r"""Cross-entropy with label smoothing and what makes up for unbalanced classes.

    .. math:: \ell_0((1 - a)\, y + a / C,\ f + \tau \log \pi), \qquad v_c \propto \pi_c^{-\beta}

    The learning rate, which people tune first, is a hyperparameter and searched beside it. Of sigmoid outputs it is
    the weight of positive labels that makes up for their rarity, relative to that of negative ones.

    Args:
        outputs: what the model's logits mean.
        class_counts: training samples of each class, of softmax outputs; none where classes are balanced.

    Attributes:
        distributions: names and ranges of the parameters. Where the smoothing is negative, there is none.
        scales: what CMA-ES counts as 1 in each.

    Example:
        >>> space = RivalSpace("softmax", [90, 10])
        >>> list(space.distributions)
        ['smoothing', 'tau', 'beta']
        >>> space.describe({"learning_rate_factor": 5.83, "smoothing": 0.31, "tau": 1.0, "beta": 0.0})
        'learning rate × 5.83, label smoothing 0.31, tau 1, beta 0'

    Source: derivations.md, sections 7.3 and 9.1.
    """

    def __init__(self, outputs: Outputs = "softmax", class_counts: Sequence[int] = ()) -> None:
        self.outputs = outputs
        self.class_counts = tuple(class_counts)
        weights = ("log_pos_weight",) if outputs == "sigmoid" else ("tau", "beta") if class_counts else ()
        self.distributions = dict.fromkeys(("smoothing", *weights), UNBOUNDED)
        self.scales = {name: UNITS[name] for name in self.distributions}

    @property
    def cross_entropy(self) -> list[float]:
        """Zeros, which are cross-entropy as it is."""
        return [0.0] * len(self.distributions)

    def build(self, parameters: Mapping[str, Any]) -> Loss:
        """Make the loss that the parameters spell."""
        loss: Loss = CrossEntropyLoss(label_smoothing=_smoothing(parameters))
        if self.outputs == "sigmoid":
            # With these counts of no and yes, and beta alone, yes weighs exp(beta) times what no does.
            loss = ClassAwareLoss(loss, (math.e, 1.0), tau=0.0, beta=parameters["log_pos_weight"])
        elif self.class_counts:
            loss = ClassAwareLoss(loss, self.class_counts, parameters["tau"], parameters["beta"])
        return for_outputs(loss, self.outputs)

    def describe(self, parameters: Mapping[str, Any]) -> str:
        """Tell the parameters, and those of the model that were searched along, in words."""
        told = {
            "learning rate ×": parameters[LEARNING_RATE_FACTOR],
            "label smoothing": _smoothing(parameters),
            **{name: parameters[name] for name in self.distributions if name in ("tau", "beta")},
        }
        if "log_pos_weight" in parameters:
            told["weight of positives ×"] = math.exp(parameters["log_pos_weight"])
        return ", ".join(f"{name} {value:.3g}" for name, value in told.items())


def _smoothing(parameters: Mapping[str, Any]) -> float:
    return min(MOST, max(0.0, float(parameters["smoothing"])))
