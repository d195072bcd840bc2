"""A model's own loss is called what everybody trains with where it is, and nowhere else."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from glo_lightning.losses import (
    BaikalLoss,
    CrossEntropyLoss,
    HuberLoss,
    Outputs,
    ResidualLoss,
    SigmoidLoss,
    baseline_loss,
)
from glo_lightning.losses.own import describe_own, is_baseline

WEIGHTS = torch.tensor([1.0, 2.0, 3.0])

PLAIN: dict[str, tuple[Callable[..., Any], Outputs]] = {
    "module": (nn.CrossEntropyLoss(), "softmax"),
    "function": (functional.cross_entropy, "softmax"),
    "filled in": (functools.partial(functional.cross_entropy, ignore_index=255), "softmax"),
    "sum": (nn.CrossEntropyLoss(reduction="sum"), "softmax"),
    "of log-probabilities": (nn.NLLLoss(), "softmax"),
    "ours": (CrossEntropyLoss(), "softmax"),
    "our sum": (CrossEntropyLoss(reduction="sum"), "softmax"),
    "binary": (nn.BCEWithLogitsLoss(), "sigmoid"),
    "binary function": (functional.binary_cross_entropy_with_logits, "sigmoid"),
    "our binary": (SigmoidLoss(CrossEntropyLoss()), "sigmoid"),
    "our squared error": (ResidualLoss(sigma=3.0), "real"),
}


class Twice(nn.CrossEntropyLoss):
    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return 2.0 * super().forward(logits, target)


def by_hand(logits: Tensor, target: Tensor) -> Tensor:
    return functional.cross_entropy(logits, target)


OTHERS: dict[str, tuple[Callable[..., Any], Outputs]] = {
    "weighted": (nn.CrossEntropyLoss(weight=WEIGHTS), "softmax"),
    "smoothed": (nn.CrossEntropyLoss(label_smoothing=0.1), "softmax"),
    "filled in with weights": (functools.partial(functional.cross_entropy, weight=WEIGHTS), "softmax"),
    "subclass": (Twice(), "softmax"),
    "whatever it computes": (by_hand, "softmax"),
    "ours smoothed": (CrossEntropyLoss(label_smoothing=0.1), "softmax"),
    "mean over classes": (CrossEntropyLoss(class_reduction="mean"), "softmax"),
    "another of ours": (BaikalLoss(), "softmax"),
    "of yes and no": (nn.BCEWithLogitsLoss(), "softmax"),
    "torch's squared error, twice ours": (nn.MSELoss(), "real"),
    "robust": (HuberLoss(), "real"),
    "positives weighted": (nn.BCEWithLogitsLoss(pos_weight=WEIGHTS), "sigmoid"),
}


@pytest.mark.parametrize(("own", "outputs"), PLAIN.values(), ids=PLAIN)
def test_what_is_called_the_baseline_has_its_values(own: Callable[..., Any], outputs: Outputs) -> None:
    assert is_baseline(own, outputs)
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    target = torch.tensor([0, 1, 2, 0, 1, 2])
    if outputs != "softmax":
        target = functional.one_hot(target).float()
    expected = baseline_loss(outputs)(logits, target)
    value = own(logits, target)
    torch.testing.assert_close(value / (6 if getattr(own, "reduction", "mean") == "sum" else 1), expected)


@pytest.mark.parametrize(("own", "outputs"), OTHERS.values(), ids=OTHERS)
def test_nothing_else_is(own: Callable[..., Any], outputs: Outputs) -> None:
    assert not is_baseline(own, outputs)


def test_words_differ_where_options_do() -> None:
    told = [describe_own(own) for own, _ in OTHERS.values()]
    assert len(set(told)) == len(told)
    assert describe_own(OTHERS["weighted"][0]) == (
        "CrossEntropyLoss(reduction='mean', ignore_index=-100, weight=[1.0, 2.0, 3.0], label_smoothing=0.0)"
    )
