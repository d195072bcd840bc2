"""A loss of its own for every head."""

from pathlib import Path
from typing import Any

import pytest
import torch

from glo_lightning.errors import LossError, LossFileError
from glo_lightning.losses import (
    BaikalLoss,
    CrossEntropyLoss,
    HeadsLoss,
    Loss,
    MeanSquaredErrorLoss,
    ScaledLoss,
    SigmoidLoss,
    TaylorLoss,
    load_loss,
    save_loss,
)
from tests.losses.contract import LossContract


class TestHeads(LossContract):
    def make(self, **arguments: Any) -> Loss:
        return HeadsLoss([MeanSquaredErrorLoss(**arguments), CrossEntropyLoss(**arguments)])


LOSSES = [TaylorLoss([0.1, 0.2, 1.0, -0.3, 0.4, -0.5, 0.6, -0.7]), CrossEntropyLoss(), BaikalLoss()]
LOGITS = tuple(torch.randn(6, 10, generator=torch.Generator().manual_seed(k)) for k in range(3))
TARGET = torch.arange(6)


def test_every_head_has_its_own_loss() -> None:
    heads = [logits.clone().requires_grad_() for logits in LOGITS]
    loss = HeadsLoss(LOSSES)(tuple(heads), TARGET)
    alone = [own(logits, TARGET) for own, logits in zip(LOSSES, heads, strict=True)]
    torch.testing.assert_close(loss, sum(alone))
    gradients = torch.autograd.grad(loss, heads, retain_graph=True)
    expected = [torch.autograd.grad(own, head)[0] for own, head in zip(alone, heads, strict=True)]
    torch.testing.assert_close(list(gradients), expected)


def test_it_is_stored_and_read_back(tmp_path: Path) -> None:
    loss = HeadsLoss(LOSSES)
    save_loss(loss, tmp_path / "loss.json")
    again = load_loss(tmp_path / "loss.json")
    assert again.to_dict() == loss.to_dict()
    torch.testing.assert_close(again(LOGITS, TARGET), loss(LOGITS, TARGET))


def test_progress_reaches_every_head() -> None:
    timed = TaylorLoss(torch.zeros(13), order=3, inputs=("y", "h", "t"))
    loss = HeadsLoss([CrossEntropyLoss(), timed])
    assert loss.uses_progress
    loss.progress = 0.5
    assert timed.progress == 0.5


def test_the_formula_names_every_head() -> None:
    formula = HeadsLoss([CrossEntropyLoss(), MeanSquaredErrorLoss()]).formula("unicode")
    main, auxiliary = CrossEntropyLoss().formula("unicode"), MeanSquaredErrorLoss().formula("unicode")
    assert formula == f"{main}; head 1: {auxiliary}"


@pytest.mark.parametrize(
    "losses",
    [
        [],
        [CrossEntropyLoss()],
        [CrossEntropyLoss(), torch.nn.MSELoss()],
        [CrossEntropyLoss(), BaikalLoss(reduction="sum")],
        [HeadsLoss(LOSSES), CrossEntropyLoss()],
        [CrossEntropyLoss(), HeadsLoss(LOSSES)],
    ],
)
def test_what_is_no_list_of_losses_is_refused(losses: list[Any]) -> None:
    with pytest.raises(LossError):
        HeadsLoss(losses)


@pytest.mark.parametrize("wrap", [lambda loss: ScaledLoss(loss, 2.0), SigmoidLoss], ids=["scaled", "sigmoid"])
def test_heads_are_wrapped_one_by_one(wrap: Any) -> None:
    with pytest.raises(LossError, match="Wrap each head's loss in a S"):
        wrap(HeadsLoss(LOSSES))


def test_another_number_of_heads_is_refused() -> None:
    with pytest.raises(LossError, match="logits of 3 heads, got of 2"):
        HeadsLoss(LOSSES)(LOGITS[:2], TARGET)


def test_a_damaged_list_is_refused() -> None:
    stored = HeadsLoss(LOSSES).to_dict()
    stored["parameters"]["losses"][1] = {"family": "cross_entropy"}
    with pytest.raises(LossFileError):
        Loss.from_dict(stored)
