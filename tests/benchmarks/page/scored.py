"""A classifier that logs what people care about beside accuracy, with and without a correction made on validation."""

import math
from collections.abc import Callable
from typing import Any

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchmetrics.functional.classification import multiclass_auroc, multiclass_calibration_error, multiclass_f1_score

from glo_lightning.models import Classifier
from glo_lightning.models.classifier import accuracies
from glo_lightning.models.network_module import Batch

COSTS = (5.0, 1.0)
"""Of two classes: what it costs to miss one of the first, a malignant tumour, and one of the second."""

SHIFTS = torch.linspace(-4.0, 4.0, 41)
"""What is tried as an addition to the logit of a class."""

Metric = Callable[[Tensor, Tensor], float]


def macro_f1(logits: Tensor, target: Tensor) -> float:
    return float(multiclass_f1_score(logits, target, logits.shape[1], average="macro"))


def worst_class(logits: Tensor, target: Tensor) -> float:
    right = torch.bincount(target[logits.argmax(1) == target], minlength=logits.shape[1])
    count = torch.bincount(target, minlength=logits.shape[1])
    return float(accuracies(right, count)["worst_class_accuracy"])


def auroc(logits: Tensor, target: Tensor) -> float:
    return float(multiclass_auroc(logits.softmax(1), target, logits.shape[1]))


def expected_cost(logits: Tensor, target: Tensor) -> float:
    costs = torch.tensor(COSTS + (1.0,) * (logits.shape[1] - len(COSTS)))
    return float((costs[target] * (logits.argmax(1) != target)).mean())


def nll(logits: Tensor, target: Tensor) -> float:
    return float(cross_entropy(logits, target))


def ece(logits: Tensor, target: Tensor) -> float:
    return float(multiclass_calibration_error(logits.softmax(1), target, logits.shape[1]))


METRICS: dict[str, tuple[Metric, str]] = {
    "macro_f1": (macro_f1, "max"),
    "worst_class": (worst_class, "max"),
    "auroc": (auroc, "max"),
    "expected_cost": (expected_cost, "min"),
    "nll": (nll, "min"),
    "ece": (ece, "min"),
}
"""By the name they are logged under: the metric and which way is up."""

BY_TEMPERATURE = ("nll", "ece")
"""Metrics that are corrected by a temperature; the others are by an addition to the logit of each class."""

CORRECTED = "_corrected"


def temperature(logits: Tensor, target: Tensor) -> float:
    """Return the temperature of the least cross-entropy. Source: Guo et al., arXiv:1706.04599."""
    found = minimize_scalar(lambda log: nll(logits / math.exp(log), target), bounds=(-4.0, 4.0), method="bounded")
    return math.exp(found.x)


def shifts(logits: Tensor, target: Tensor, metric: Metric, mode: str) -> Tensor:
    """Return what to add to the logit of each class, of two classes a threshold, found one class after another."""
    sign = 1.0 if mode == "max" else -1.0
    best, found = sign * metric(logits, target), torch.zeros(logits.shape[1])
    for _ in range(2):
        for label in range(logits.shape[1]):
            for shift in SHIFTS:
                tried = found.clone()
                tried[label] = shift
                score = sign * metric(logits + tried, target)
                if score > best:
                    best, found = score, tried
    return found


class ScoredClassifier(Classifier):
    """A Classifier that logs each of ``METRICS``, and again corrected on the validation data that it saw last."""

    def __init__(self, *arguments: Any, correct: str = "", **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.correct = correct
        self._batches: list[tuple[Tensor, Tensor]] = []
        self._validated: tuple[Tensor, Tensor] | None = None

    def _collect(self, batch: Batch) -> None:
        inputs, target = batch
        self._batches.append((self(inputs).detach().float(), target))

    def _log(self, split: str, prog_bar: bool = False) -> None:
        logits, target = (torch.cat(parts) for parts in zip(*self._batches, strict=True))
        self._batches.clear()
        if split == "val":
            self._validated = (logits, target)
        measured = {name: metric(logits, target) for name, (metric, _) in METRICS.items()}
        measured["accuracy"] = float((logits.argmax(1) == target).float().mean())
        if self.correct:
            measured[self.correct + CORRECTED] = self._corrected(split, logits, target)
        self.log_dict({f"{split}_{name}": each for name, each in measured.items()})

    def _corrected(self, split: str, logits: Tensor, target: Tensor) -> float:
        metric, mode = METRICS[self.correct]
        if split == "val" or self._validated is None:
            return metric(logits, target)
        if self.correct in BY_TEMPERATURE:
            return metric(logits / temperature(*self._validated), target)
        return metric(logits + shifts(*self._validated, metric, mode), target)
