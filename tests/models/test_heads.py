"""Networks with auxiliary heads."""

from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import nn

from glo_lightning import models
from glo_lightning.data import DigitsDataModule
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier
from glo_lightning.models.heads import WithHeads
from glo_lightning.training.choice import choose_evaluator
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.task import python_task

CPU = {"accelerator": "cpu", "enable_model_summary": False, "enable_progress_bar": False}


def small_network() -> WithHeads:
    """A perceptron for the digits in three stages."""
    first = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU())
    second = nn.Sequential(nn.Linear(16, 16), nn.ReLU())
    return WithHeads([first, second, nn.Linear(16, 10)], [nn.Linear(16, 10), nn.Linear(16, 10)])


@pytest.mark.parametrize(
    ("build", "options", "size"),
    [
        (models.allcnn_c, {"quirks": True}, 1_399_518),
        (models.allcnn_c, {"num_classes": 7}, 1_398_357),
        (models.preresnet, {"depth": 8}, 77_850 + 6_836),
    ],
)
def test_parameters_and_logits_are_counted(build: Any, options: dict[str, Any], size: int) -> None:
    with torch.device("meta"):
        network, inputs = build(**options, auxiliary_heads=True), torch.empty(2, 3, 32, 32)
    assert sum(parameter.numel() for parameter in network.parameters()) == size
    shape = (2, options.get("num_classes", 10))
    assert [logits.shape for logits in network(inputs)] == [shape] * 3
    assert network.eval()(inputs).shape == shape


def test_the_main_head_is_the_network_without_heads() -> None:
    network = models.preresnet(depth=8, auxiliary_heads=True).eval()
    plain = models.preresnet(depth=8).eval()
    plain.load_state_dict(dict(zip(plain.state_dict(), network.stages.state_dict().values(), strict=True)))
    inputs = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(network(inputs), plain(inputs))


def test_a_classifier_trains_all_heads_and_validates_the_main_one() -> None:
    torch.manual_seed(0)
    model = Classifier(small_network())
    assert model.num_classes == 10
    inputs, target = torch.rand(5, 1, 8, 8), torch.arange(5)
    loss = model.training_step((inputs, target), 0)
    expected = sum(nn.functional.cross_entropy(logits, target) for logits in model.network(inputs))
    torch.testing.assert_close(loss, expected)
    before = [head.weight.detach().clone() for head in model.network.heads]
    trainer = Trainer(**CPU, max_epochs=4, logger=False, enable_checkpointing=False)
    trainer.fit(model, DigitsDataModule())
    assert trainer.callback_metrics["val_accuracy"] > 0.5
    assert all(not torch.equal(head.weight, old) for head, old in zip(model.network.heads, before, strict=True))


def test_any_loss_adds_itself_up_over_heads() -> None:
    logits = tuple(torch.randn(4, 10) for _ in range(3))
    target = torch.arange(4)
    expected = sum(CrossEntropyLoss(reduction="none")(each, target) for each in logits)
    torch.testing.assert_close(CrossEntropyLoss(reduction="none")(logits, target), expected)


def test_a_population_steps_aside() -> None:
    said: list[str] = []
    task = python_task(lambda: Classifier(small_network()), DigitsDataModule(), {"max_epochs": 1, "accelerator": "cpu"})
    assert choose_evaluator("population", task, Monitor(), say=said.append) == "trainer"
    assert "auxiliary heads" in said[0]
