import json
import math

import pytest
import torch

from glo_lightning.losses import CrossEntropyLoss, Loss, TaylorLoss, TreeLoss, named_loss
from glo_lightning.theory import summarize


def test_it_gathers_what_the_parts_say(loss: Loss, num_classes: int) -> None:
    summary = summarize(loss, num_classes)
    stored = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert stored["formula"] == loss.formula("unicode")
    assert stored["trainability"]["drive"] == summary.trainability.drive
    logits = torch.zeros(1, num_classes, dtype=torch.float64, requires_grad=True)
    gradient, cross_entropys = (
        torch.autograd.grad(own(logits, torch.tensor([0])), logits)[0][0, 0] for own in (loss, CrossEntropyLoss())
    )
    assert stored["relative_start"] == pytest.approx(float(gradient / cross_entropys), rel=1e-9, abs=1e-12)


def test_infinities_and_gaps_survive_json() -> None:
    assert summarize(named_loss("baikal"), 10).to_dict()["zero_error_drive"] == "-inf"
    undefined = summarize(TreeLoss("log(h - 1/5) + y"), 10)
    assert math.isnan(undefined.zero_error_drive)
    assert undefined.to_dict()["zero_error_drive"] is None
    assert "h = 0.1" in undefined.to_dict()["trainability"]["reason"]


def test_the_flat_loss_and_black_boxes_have_a_summary() -> None:
    flat = summarize(TaylorLoss([0.0] * 8), 10)
    assert (flat.relative_start, flat.zero_error_drive, flat.sign_changes) == (0.0, 0.0, ())
    assert flat.equilibrium_confidence == 0.1
    black_box = summarize(torch.nn.CrossEntropyLoss(label_smoothing=0.1), 10)
    assert black_box.formula == ""
    assert black_box.implied_smoothing == pytest.approx(0.1, rel=1e-6)
