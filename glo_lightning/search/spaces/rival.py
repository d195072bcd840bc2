"""What everybody trains with and the few numbers that people tune of it, as a space: the rival of what is found."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.losses import ClassAwareLoss, CrossEntropyLoss, HuberLoss, Loss, Outputs, for_outputs
from glo_lightning.search.spaces.base import UNBOUNDED
from glo_lightning.search.spaces.residual import LOG_SCALE

MOST = 0.95
"""The strongest label smoothing; more leaves nothing of the label."""

UNITS = {"smoothing": 0.2, "tau": 0.5, "beta": 0.5}
"""What CMA-ES counts as 1 in parameters; in all others it is 1."""


class RivalSpace:
    r"""Cross-entropy with label smoothing and what makes up for unbalanced classes; for numbers, Huber's loss.

    .. math:: \ell_0((1 - a)\, y + a / C,\ f + \tau \log \pi), \qquad v_c \propto \pi_c^{-\beta}

    The learning rate, which people tune first, is a hyperparameter and searched beside it. Of sigmoid outputs it is
    the weight of positive labels that makes up for their rarity, relative to that of negative ones. Of real outputs
    the one parameter is from where on residuals are large.

    Args:
        outputs: what the model's outputs mean.
        class_counts: training samples of each class, of softmax outputs; none where classes are balanced.
        sigma: of real outputs, the standard deviation of the training targets.

    Attributes:
        distributions: names and ranges of the parameters. Where the smoothing is negative, there is none.
        scales: what CMA-ES counts as 1 in some of them.

    Example:
        >>> space = RivalSpace("softmax", [90, 10])
        >>> list(space.distributions)
        ['smoothing', 'tau', 'beta']
        >>> space.describe({"learning_rate_factor": 5.83, "smoothing": 0.31, "tau": 1.0, "beta": 0.0})
        'learning rate × 5.83, label smoothing 0.31, tau 1, beta 0'

    Source: derivations.md, sections 7.3, 9.1 and 11.
    """

    def __init__(
        self, outputs: Outputs = "softmax", class_counts: Sequence[int] = (), sigma: float | Sequence[float] = 1.0
    ) -> None:
        self.outputs = outputs
        self.class_counts = tuple(class_counts)
        self.sigma = sigma
        if outputs == "real":
            self.distributions = {"log_delta": LOG_SCALE}
        else:
            weights = ("log_pos_weight",) if outputs == "sigmoid" else ("tau", "beta") if class_counts else ()
            self.distributions = dict.fromkeys(("smoothing", *weights), UNBOUNDED)
        self.scales = {name: UNITS[name] for name in self.distributions if name in UNITS}

    @property
    def cross_entropy(self) -> list[float]:
        """Zeros, which are cross-entropy as it is, or Huber's loss with a delta of one standard deviation."""
        return [0.0] * len(self.distributions)

    def build(self, parameters: Mapping[str, Any]) -> Loss:
        """Make the loss that the parameters spell."""
        if self.outputs == "real":
            return HuberLoss(math.exp(parameters["log_delta"]), self.sigma)
        loss: Loss = CrossEntropyLoss(label_smoothing=_smoothing(parameters["smoothing"]))
        if self.outputs == "sigmoid":
            # With these counts of no and yes, and beta alone, yes weighs exp(beta) times what no does.
            loss = ClassAwareLoss(loss, (math.e, 1.0), tau=0.0, beta=parameters["log_pos_weight"])
        elif self.class_counts:
            loss = ClassAwareLoss(loss, self.class_counts, parameters["tau"], parameters["beta"])
        return for_outputs(loss, self.outputs)

    def describe(self, parameters: Mapping[str, Any]) -> str:
        """Tell the parameters, and the factor of the learning rate that was searched along, in words."""
        words: dict[str, tuple[str, Callable[[float], float]]] = {
            LEARNING_RATE_FACTOR: ("learning rate ×", float),
            "smoothing": ("label smoothing", _smoothing),
            "tau": ("tau", float),
            "beta": ("beta", float),
            "log_pos_weight": ("weight of positives ×", math.exp),
            "log_delta": ("delta", math.exp),
        }
        told = [f"{name} {value(parameters[each]):.3g}" for each, (name, value) in words.items() if each in parameters]
        return ", ".join(told)


def _smoothing(parameter: float) -> float:
    return min(MOST, max(0.0, parameter))
