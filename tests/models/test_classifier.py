import pytest
import sklearn.metrics
import torch
from lightning.pytorch import Callback, Trainer
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from glo_lightning.data import DiabetesDataModule, DigitsDataModule
from glo_lightning.errors import ModelError
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier, Regressor, mlp, small_cnn


def quiet_trainer(**options):
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **options,
    )


def bare_fit(network, data, epochs, make_optimizer, make_scheduler=None):
    optimizer = make_optimizer(network.parameters())
    scheduler = make_scheduler(optimizer) if make_scheduler else None
    inputs, targets = data.train_tensors
    for epoch in range(epochs):
        for chosen in data.train_order(epoch).split(data.batch_size):
            optimizer.zero_grad()
            cross_entropy(network(inputs[chosen]), targets[chosen]).backward()
            optimizer.step()
        if scheduler:
            scheduler.step()
    return network


@pytest.mark.parametrize(
    "options, make_optimizer, make_scheduler",
    [
        ({}, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), None),
        (
            {"nesterov": True, "weight_decay": 1e-2, "scheduler": "step", "milestones": [1, 2]},
            lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2),
            lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [1, 2], 0.1),
        ),
        (
            {"optimizer": "adam", "learning_rate": 1e-2, "scheduler": "cosine"},
            lambda p: torch.optim.Adam(p, lr=1e-2),
            lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 3),
        ),
        (
            {"optimizer": "adamw", "learning_rate": 1e-2, "weight_decay": 0.1},
            lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1),
            None,
        ),
    ],
    ids=["sgd", "nesterov-step", "adam-cosine", "adamw"],
)
def test_a_fit_equals_a_bare_loop(options, make_optimizer, make_scheduler):
    data = DigitsDataModule(seed=5)
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        networks.append(mlp())
    model = Classifier(networks[0], **options)
    trainer = quiet_trainer(max_epochs=3)
    trainer.fit(model, data)
    expected = bare_fit(networks[1], data, 3, make_optimizer, make_scheduler)
    for got, wanted in zip(model.network.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_a_schedule_of_a_subclass_is_followed():
    class Halving(Classifier):
        def make_scheduler(self, optimizer, num_epochs):
            return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    for model, expected in ((Halving(mlp()), 0.025), (Classifier(mlp()), 0.1)):
        trainer = quiet_trainer(max_epochs=2, limit_train_batches=1)
        trainer.fit(model, DigitsDataModule())
        assert trainer.optimizers[0].param_groups[0]["lr"] == expected


@pytest.mark.parametrize("split", ["val", "test"])
def test_metrics_equal_sklearns(split):
    data, model = DigitsDataModule(batch_size=50), Classifier(mlp())
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(model, data)
    metrics = trainer.validate(model, data, verbose=False) + trainer.test(model, data, verbose=False)
    loader = data.val_dataloader() if split == "val" else data.test_dataloader()
    inputs, targets = (torch.cat(part) for part in zip(*loader, strict=True))
    with torch.no_grad():
        probabilities = model.eval()(inputs).double().softmax(-1)
    logged = {name: value for row in metrics for name, value in row.items()}
    accuracy = sklearn.metrics.accuracy_score(targets, probabilities.argmax(-1))
    assert logged[f"{split}_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    predictions = probabilities.argmax(-1)
    balanced = sklearn.metrics.balanced_accuracy_score(targets, predictions)
    assert logged[f"{split}_balanced_accuracy"] == pytest.approx(balanced, abs=1e-6)
    worst = sklearn.metrics.recall_score(targets, predictions, average=None).min()
    assert logged[f"{split}_worst_class_accuracy"] == pytest.approx(worst, abs=1e-6)
    mean_loss = sklearn.metrics.log_loss(targets, probabilities)
    assert logged[f"{split}_loss"] == pytest.approx(mean_loss, rel=1e-5)


class Interrupted(Callback):
    """Ends a validation in its midst."""

    def on_validation_batch_end(self, trainer, model, outputs, batch, batch_idx, dataloader_idx=0):
        raise OSError("the disk is gone")


@pytest.mark.parametrize(
    ("make", "data"),
    [(lambda: Classifier(mlp()), DigitsDataModule), (lambda: Regressor(mlp(1, 10)), DiabetesDataModule)],
)
def test_a_validation_that_was_interrupted_does_not_count_in_the_next(make, data):
    model, batches = make(), DataLoader(TensorDataset(*data().val_tensors), 16)
    (expected,) = quiet_trainer().validate(model, batches, verbose=False)
    with pytest.raises(OSError, match="the disk is gone"):
        quiet_trainer(callbacks=[Interrupted()]).validate(model, batches, verbose=False)
    (after,) = quiet_trainer().validate(model, batches, verbose=False)
    assert after == expected


def test_a_diverged_network_logs_nan():
    model = Classifier(mlp())
    torch.nn.init.constant_(model.network[-1].bias, torch.nan)
    (metrics,) = quiet_trainer().validate(model, DigitsDataModule(), verbose=False)
    assert metrics["val_loss"] != metrics["val_loss"]


def test_loss_is_cross_entropy_until_replaced():
    assert isinstance(Classifier(mlp()).loss_fn, CrossEntropyLoss)


def test_a_checkpoint_holds_the_network_and_loads(tmp_path):
    model, trainer = Classifier(small_cnn(), learning_rate=0.05), quiet_trainer(max_epochs=1)
    trainer.fit(model, DigitsDataModule())
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = Classifier.load_from_checkpoint(tmp_path / "model.ckpt", network=small_cnn(), weights_only=True)
    assert loaded.learning_rate == 0.05
    assert all(name.startswith("network.") for name in loaded.state_dict())
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])


def test_number_of_classes_comes_from_the_last_layer():
    assert Classifier(mlp(num_classes=7)).num_classes == 7
    assert Classifier(nn.Sequential(nn.Conv2d(1, 5, 1), nn.Flatten())).num_classes == 5
    assert Classifier(nn.Flatten(), num_classes=64).num_classes == 64


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"momentum": 1.0},
        {"nesterov": True, "momentum": 0.0},
        {"weight_decay": -1.0},
        {"optimizer": "lion"},
        {"scheduler": "linear"},
        {"scheduler": "step"},
        {"scheduler": "step", "milestones": [3, 2]},
        {"decay": 0.0},
        {"num_classes": 1},
    ],
    ids=str,
)
def test_bad_settings_are_refused(options):
    with pytest.raises(ModelError):
        Classifier(mlp(), **options)


def test_classes_that_cannot_be_read_are_asked_for():
    with pytest.raises(ModelError, match="Pass num_classes"):
        Classifier(nn.Flatten())


def test_cosine_needs_to_know_the_end():
    with pytest.raises(ModelError, match="max_epochs"):
        quiet_trainer(max_epochs=-1, max_steps=5).fit(Classifier(mlp(), scheduler="cosine"), DigitsDataModule())
