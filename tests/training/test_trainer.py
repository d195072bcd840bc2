"""The Trainer evaluator on real trainings of real digits."""

import signal
import threading
import time
from collections.abc import Callable

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging, StochasticWeightAveraging
from torch import Tensor, nn

from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import ModelError, SettingsError
from glo_lightning.losses import CrossEntropyLoss, MeanSquaredErrorLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.abort import AbortRule, attempt_seed
from glo_lightning.training.checks.one_batch import probe_task
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run, Status
from glo_lightning.training.several_tasks import measure_reference
from glo_lightning.training.task import LEAN_TRAINER, Task, python_task
from glo_lightning.training.trainer import TrainerEvaluator

CPU = {"accelerator": "cpu", "max_epochs": 2}
MONITOR = Monitor()


class ExplodingLoss(MeanSquaredErrorLoss):
    """Finite for a while, then NaN."""

    family = "test_exploding"

    def __init__(self, healthy_calls: int = 3) -> None:
        super().__init__()
        self.calls = 0
        self.healthy_calls = healthy_calls

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        self.calls += 1
        loss = super().forward(logits, target)
        return loss * float("nan") if self.calls > self.healthy_calls else loss


class OwnModule(LightningModule):
    """Somebody's module: no test_step, another attribute, a validation metric that uses the training loss."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(64, 10)
        self.criterion = nn.CrossEntropyLoss()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        return self.criterion(self.head(x.flatten(1)), y)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        logits = self.head(x.flatten(1))
        self.log("valid_error", (logits.argmax(-1) != y).float().mean())
        self.log("valid_loss", self.criterion(logits, y))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def _task(**trainer: object) -> Task:
    return python_task(lambda: Classifier(mlp(hidden=(16,))), DigitsDataModule(), {**CPU, **trainer})


def test_score_is_the_accuracy_of_the_trained_network() -> None:
    task = _task()
    (evaluation,) = TrainerEvaluator(task, MONITOR).evaluate([Run(CrossEntropyLoss(), seed=1)])

    # the same training by hand, in plain torch
    seed_everything(1, verbose=False)
    model = Classifier(mlp(hidden=(16,)))
    data = DigitsDataModule(seed=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    inputs, targets = data.train_tensors
    for epoch in range(2):
        for indices in data.train_order(epoch).split(data.batch_size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[indices]), targets[indices]).backward()
            optimizer.step()
    x, y = data.val_tensors
    accuracy = (model(x).argmax(-1) == y).double().mean().item()

    assert evaluation.status is Status.COMPLETED
    assert evaluation.metric == pytest.approx(accuracy, abs=1e-6)
    assert evaluation.seconds > 0.0


def test_same_seed_same_metric_and_other_seed_other_metric() -> None:
    evaluator = TrainerEvaluator(_task(), MONITOR)
    first, again, other = evaluator.evaluate([Run(CrossEntropyLoss(), seed) for seed in (1, 1, 2)])
    assert first.metric == again.metric
    assert first.metric != other.metric


def test_nan_stops_at_once_with_the_worst_metric_and_a_reason() -> None:
    loss = ExplodingLoss(healthy_calls=3)
    (evaluation,) = TrainerEvaluator(_task(max_epochs=50), MONITOR).evaluate([Run(loss, 0)])
    assert evaluation.status is Status.DIVERGED
    assert evaluation.metric == 0.0
    assert "step 4" in evaluation.reason
    assert loss.calls == 4


def test_worst_metric_follows_the_direction_of_the_metric() -> None:
    monitor = Monitor("val_loss", "min", worst=7.5)
    (evaluation,) = TrainerEvaluator(_task(), monitor).evaluate([Run(ExplodingLoss(), 0)])
    assert evaluation.metric == 7.5


def test_report_sees_every_epoch_and_can_stop() -> None:
    seen: list[tuple[int, float]] = []

    def report(epoch: int, metric: float) -> bool:
        seen.append((epoch, metric))
        return epoch == 1

    (evaluation,) = TrainerEvaluator(_task(max_epochs=5), MONITOR).evaluate([Run(CrossEntropyLoss(), 0, report)])
    assert evaluation.status is Status.PRUNED
    assert [epoch for epoch, _ in seen] == [0, 1]
    assert evaluation.epoch == 1
    assert seen[-1][1] == evaluation.metric
    assert evaluation.curve == tuple(metric for _, metric in seen)


def test_a_hopeless_training_is_aborted_and_tried_again_with_another_seed() -> None:
    rule = AbortRule(below=2.0, epoch=1, attempts=2)
    run = Run(CrossEntropyLoss(), 7)
    (evaluation,) = TrainerEvaluator(_task(max_epochs=5), MONITOR, abort=rule).evaluate([run])
    assert evaluation.status is Status.ABORTED
    assert "after epoch 1, 2 was required" in evaluation.reason
    assert evaluation.epoch == 1
    assert evaluation.seed == attempt_seed(7, 2)
    assert len({attempt_seed(7, attempt) for attempt in range(3)}) == 3
    lenient = AbortRule(below=0.15, epoch=1, attempts=2)
    (evaluation,) = TrainerEvaluator(_task(max_epochs=5), MONITOR, abort=lenient).evaluate([run])
    assert (evaluation.status, evaluation.seed) == (Status.COMPLETED, 7)


def test_foreign_module_with_its_own_attribute_metric_and_no_test_step() -> None:
    task = python_task(OwnModule, DigitsDataModule(), CPU)
    monitor = Monitor("valid_error", "min")
    probe = probe_task(task, monitor, "criterion")
    assert probe.num_classes == 10
    assert set(probe.metrics) >= {"valid_error", "valid_loss"}
    validated, tested = (
        TrainerEvaluator(task, monitor, "criterion", split=split).evaluate([Run(CrossEntropyLoss(), 0)])[0]
        for split in ("val", "test")
    )
    assert 0.0 < validated.metric <= 1.0
    assert tested.metric != validated.metric


def test_validation_metric_never_depends_on_the_candidate() -> None:
    class Silent(MeanSquaredErrorLoss):
        """Huge, but with the gradient of MSE."""

        family = "test_silent"

        def forward(self, logits: Tensor, target: Tensor) -> Tensor:
            return super().forward(logits, target) + 1e6

    task = python_task(OwnModule, DigitsDataModule(), CPU)
    monitor = Monitor("valid_loss", "min")
    plain, huge = TrainerEvaluator(task, monitor, "criterion").evaluate(
        [Run(MeanSquaredErrorLoss(), 0), Run(Silent(), 0)]
    )
    assert huge.metric == pytest.approx(plain.metric, rel=1e-3)


def test_test_split_differs_from_validation_and_epochs_override() -> None:
    task = _task()
    run = [Run(CrossEntropyLoss(), 0)]
    val = TrainerEvaluator(task, MONITOR).evaluate(run)[0]
    test = TrainerEvaluator(task, MONITOR, split="test").evaluate(run)[0]
    longer = TrainerEvaluator(task, MONITOR, epochs=6).evaluate(run)[0]
    assert test.metric != val.metric
    assert longer.metric > val.metric


class Constant(LightningModule):
    """One weight, which every batch moves by 1, and a validation that logs it."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.norm = nn.BatchNorm1d(64) if norm else nn.Identity()
        self.loss_fn = nn.CrossEntropyLoss()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        logits = self.norm(batch[0].flatten(1))[:, :10]
        return -self.weight.sum() + 0.0 * self.loss_fn(logits + self.weight, batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.log("val_weight", self.weight.sum())

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.log("test_weight", self.weight.sum())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


class BestWeights(Callback):
    """Puts the weight of the first epoch back when training ends."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 0:
            self.weights = {name: each.clone() for name, each in pl_module.state_dict().items()}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module.load_state_dict(self.weights)


ENDS: dict[str, tuple[dict[str, object], float]] = {
    "nothing": ({}, 8.0),
    "steps after the last validation": ({"check_val_every_n_epoch": 3}, 8.0),
    "validations within epochs": ({"val_check_interval": 2, "limit_train_batches": 3}, 12.0),
    # Averaged are the weights with which the epochs from the second on begin.
    "averages at the end": ({"callbacks": [StochasticWeightAveraging(1.0, swa_epoch_start=2)]}, (2.0 + 4.0 + 6.0) / 3),
    # It is the weight after the sixth step, and then moves half way with every step.
    "moving average": (
        {"callbacks": [EMAWeightAveraging(decay=0.5, update_starting_at_step=5)]}, 6 / 4 + 7 / 4 + 8 / 2
    ),
    "best weights": ({"callbacks": [BestWeights()]}, 2.0),
}  # fmt: skip


@pytest.mark.parametrize(("trainer", "weight"), ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("norm", [False, True], ids=["", "batch norm"])
def test_scores_on_both_splits_are_of_the_weights_that_training_ends_with(
    trainer: dict[str, object], weight: float, norm: bool
) -> None:
    settings = {"accelerator": "cpu", "max_epochs": 4, "limit_train_batches": 2, "limit_val_batches": 1, **trainer}
    task = python_task(lambda: Constant(norm), DigitsDataModule(), settings)
    monitor = Monitor("val_weight", worst=-9.0)
    for split in ("val", "test"):
        (evaluation,) = TrainerEvaluator(task, monitor, split=split).evaluate([Run(CrossEntropyLoss(), 0)])  # type: ignore[arg-type]
        assert evaluation.status is Status.COMPLETED
        assert evaluation.metric == pytest.approx(weight)


def test_users_callbacks_stay_on_the_trainer() -> None:
    class Count(Callback):
        steps = 0

        def on_train_batch_end(self, *args: object) -> None:
            Count.steps += 1

    TrainerEvaluator(_task(callbacks=[Count()]), MONITOR).evaluate([Run(CrossEntropyLoss(), 0)])
    assert Count.steps == 2 * 17


def test_a_crash_fails_the_run_and_not_the_others() -> None:
    class Crashing(MeanSquaredErrorLoss):
        family = "test_crashing"

        def forward(self, logits: Tensor, target: Tensor) -> Tensor:
            raise MemoryError("no memory left")

    crashed, fine = TrainerEvaluator(_task(), MONITOR).evaluate([Run(Crashing(), 0), Run(CrossEntropyLoss(), 0)])
    assert crashed.status is Status.FAILED
    assert "no memory left" in crashed.reason
    assert fine.status is Status.COMPLETED


def test_ctrl_c_is_a_keyboard_interrupt_and_can_be_repeated() -> None:
    handler = signal.getsignal(signal.SIGINT)
    evaluator = TrainerEvaluator(_task(max_epochs=10_000), MONITOR)
    for _ in range(2):
        threading.Timer(1.5, lambda: signal.raise_signal(signal.SIGINT)).start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            evaluator.evaluate([Run(CrossEntropyLoss(), 0)])
        assert time.monotonic() - started < 30
        assert signal.getsignal(signal.SIGINT) is handler


class CtrlC(Callback):
    """Ctrl-C in the midst of one of a Trainer's tasks."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def on_train_batch_start(self, trainer: Trainer, *_: object) -> None:
        if trainer.state.fn == self.stage:
            signal.raise_signal(signal.SIGINT)

    on_validation_batch_start = on_test_batch_start = on_train_batch_start


@pytest.mark.parametrize(
    ("model", "monitor", "stage"),
    [
        (lambda: Classifier(mlp(hidden=(16,))), MONITOR, "fit"),
        (lambda: Classifier(mlp(hidden=(16,))), MONITOR, "test"),
        (OwnModule, Monitor("valid_error", "min"), "validate"),  # its test split, as it has no test_step
    ],
)
def test_ctrl_c_is_a_keyboard_interrupt_in_all_a_trainer_does(
    model: Callable[[], LightningModule], monitor: Monitor, stage: str
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    task = python_task(model, DigitsDataModule(), {**CPU, "max_epochs": 1, "callbacks": [CtrlC(stage)]})
    attribute = "loss_fn" if monitor is MONITOR else "criterion"
    with pytest.raises(KeyboardInterrupt):
        TrainerEvaluator(task, monitor, attribute, split="test").evaluate([Run(CrossEntropyLoss(), 0)])
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("stage", ["fit", "validate"])
def test_ctrl_c_is_a_keyboard_interrupt_while_the_reference_is_measured(stage: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        measure_reference(_task(callbacks=[CtrlC(stage)]), MONITOR)


def test_probe_names_the_metrics_that_exist() -> None:
    with pytest.raises(SettingsError, match=r"val_f1.*val_accuracy.*val_loss") as caught:
        probe_task(_task(), Monitor("val_f1"))
    assert "monitor" in caught.value.cure


def test_probe_refuses_labels_beyond_the_classes() -> None:
    task = python_task(lambda: Classifier(mlp(num_classes=7), num_classes=10), DigitsDataModule(), CPU)
    with pytest.raises(Exception, match=r"labels in 0\.\.6"):
        probe_task(task, MONITOR)


@pytest.mark.parametrize(
    ("model", "got"),
    [(Classifier(mlp()), "a Classifier that did not keep network"), (Classifier, "network"), ("resnet", "str")],
)
def test_models_that_cannot_be_built_afresh_are_refused(model: object, got: str) -> None:
    with pytest.raises(ModelError, match=got):
        python_task(model, DigitsDataModule())  # type: ignore[arg-type]


def test_lean_trainer_can_be_overridden() -> None:
    assert LEAN_TRAINER["logger"] is False
    trainer = _task(enable_checkpointing=True).build_trainer([], {})
    assert trainer.checkpoint_callback is not None
