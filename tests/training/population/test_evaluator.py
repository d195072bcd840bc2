"""A population against the Trainer, run by run: same status, same reasons, same epochs, same scores."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from glo_lightning.data import DigitsDataModule
from glo_lightning.data.image_data import ImageDataModule
from glo_lightning.data.tensor_data import Splits
from glo_lightning.data.transforms import Augmentation
from glo_lightning.losses import (
    BaikalLoss,
    CrossEntropyLoss,
    Loss,
    MeanSquaredErrorLoss,
    ScaledLoss,
    TaylorLoss,
    TreeLoss,
)
from glo_lightning.models import Classifier, mlp, small_cnn
from glo_lightning.training.abort import AbortRule
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.population import evaluator as evaluator_module
from glo_lightning.training.population import plan as plan_module
from glo_lightning.training.population.plan import Plan
from glo_lightning.training.population.training import Population
from glo_lightning.training.run import Evaluation, Run, Status
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.training.population.small_tasks import task, taylor, taylors

ACCURACY, CROSS_ENTROPY = Monitor(), Monitor("val_loss", "min")
DOUBLE = {"precision": "64-true"}


def timeless(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    return [replace(evaluation, seconds=0.0) for evaluation in evaluations]


def check(task: Task, runs: Sequence[Run], tolerance: float = 0.0, **options: object) -> None:
    """Compare both evaluators by both metrics; cross-entropy is logged in single precision."""
    for monitor, allowed in ((ACCURACY, tolerance), (CROSS_ENTROPY, max(tolerance, 2e-6))):
        together = PopulationEvaluator(task, monitor, **options).evaluate(runs)
        alone = TrainerEvaluator(task, monitor, **options).evaluate(runs)
        for got, expected in zip(timeless(together), timeless(alone), strict=True):
            assert got.metric == pytest.approx(expected.metric, abs=allowed, rel=allowed)
            assert got.curve == pytest.approx(expected.curve, abs=allowed, rel=allowed)
            assert replace(got, metric=0.0, curve=()) == replace(expected, metric=0.0, curve=())


class Idle(nn.Module):
    """A network with weights that take no part."""

    def __init__(self) -> None:
        super().__init__()
        self.idle, self.busy = nn.Linear(3, 3), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.busy(x.flatten(1))
        return logits


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: mlp(hidden=(16,)),
    "cnn": lambda: small_cnn(width=4),
    "cnn with batch norm": lambda: small_cnn(width=4, batch_norm=True),
}
networks = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


@networks
@pytest.mark.parametrize("seed", [3, None], ids=["one seed", "own seeds"])
def test_in_double_precision_scores_are_the_trainers(network: Callable[[], nn.Module], seed: int | None) -> None:
    check(task(network, **DOUBLE), taylors(3, seed))


def test_weights_that_take_no_part_stay_as_they_are() -> None:
    check(task(Idle, model={"weight_decay": 0.1}, **DOUBLE), taylors(2))


def test_epochs_of_more_batches_than_are_gathered_at_once() -> None:
    check(task(data=DigitsDataModule(batch_size=8, training_fraction=0.5), **DOUBLE), taylors(2, None))


@networks
def test_in_single_precision_scores_are_close(network: Callable[[], nn.Module]) -> None:
    check(task(network), taylors(3, None), tolerance=1e-2)


OPTIMIZERS = {
    "plain sgd": {"momentum": 0.0},
    "nesterov, weight decay, steps": {
        "nesterov": True, "weight_decay": 1e-2, "scheduler": "step", "milestones": [1, 2], "decay": 0.3
    },
    "adam, cosine": {"optimizer": "adam", "learning_rate": 1e-2, "scheduler": "cosine", "weight_decay": 1e-3},
    "adamw": {"optimizer": "adamw", "learning_rate": 1e-2, "weight_decay": 0.1},
}  # fmt: skip


@pytest.mark.parametrize("model", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_optimizer_and_schedule(model: dict[str, object]) -> None:
    check(task(model=model, max_epochs=3, **DOUBLE), taylors(2))


class Own(Classifier):
    """Trains all but biases of the last layer for one epoch, and then no more."""

    def make_optimizer(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.SGD([*parameters][:-1], lr=0.05)

    def make_scheduler(self, optimizer: torch.optim.Optimizer, num_epochs: int) -> LRScheduler:
        return LambdaLR(optimizer, lambda epoch: float(epoch < num_epochs - 2))


def test_an_optimizer_and_a_schedule_of_a_subclass() -> None:
    trainer = {"max_epochs": 3, "accelerator": "cpu", **DOUBLE}
    own = python_task(lambda: Own(mlp(hidden=(16,))), DigitsDataModule(training_fraction=0.2), trainer)
    check(own, taylors(2))
    first, *stopped = PopulationEvaluator(own, CROSS_ENTROPY).evaluate(taylors(1))[0].curve
    assert [first] * 2 == stopped, "the schedule is its own, though scheduler='constant' is the default"


TRAINERS = {
    "clipping by norm": {"gradient_clip_val": 0.05},
    "clipping by value": {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
    "limited batches": {"limit_train_batches": 2, "limit_val_batches": 1},
    "limited shares": {"limit_train_batches": 0.6},
    "rare validation": {"max_epochs": 4, "check_val_every_n_epoch": 2},
    "a progress bar": {"enable_progress_bar": True, "enable_model_summary": True},
}


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
@pytest.mark.filterwarnings("ignore")
def test_what_the_trainer_is_told(trainer: dict[str, object]) -> None:
    check(task(**DOUBLE, **trainer), taylors(2))


def test_losses_of_every_kind_train_side_by_side() -> None:
    losses: list[Loss] = [
        CrossEntropyLoss(),
        taylor(0),
        taylor(1, label_smoothing=0.1),
        taylor(2, class_reduction="mean"),
        ScaledLoss(CrossEntropyLoss(), 0.5),
        BaikalLoss(label_smoothing=0.1),
        TreeLoss("square(y - h)  - y * log(h)"),
        TaylorLoss([0.0, 0.0, 0.0, 0.5, 1.0, -1.0, 0.2], 2, ("y", "f", "t")),
        TaylorLoss([0.1, 0.0, 0.0, -0.5, 1.0, 1.0, 0.2], 2, ("y", "h", "t")),
        taylor(3),
    ]
    check(task(**DOUBLE), [Run(loss, 1 + k % 2) for k, loss in enumerate(losses)])


class Images(ImageDataModule):
    """Random bytes as images."""

    num_classes, input_shape = 10, (1, 8, 8)
    mean, std = (0.5,), (0.3,)

    def load(self) -> Splits:
        generator = torch.Generator().manual_seed(0)

        def part(size: int) -> tuple[Tensor, Tensor]:
            target = torch.arange(size) % 10
            noise = torch.randint(0, 128, (size, 1, 8, 8), generator=generator)
            return (noise + 12 * target.view(-1, 1, 1, 1)).byte(), target

        return Splits(part(100), part(40), part(40))


AUGMENTATIONS = {
    "none": Augmentation(),
    "pixels": Augmentation(crop_padding=1, flip=True, cutout=2),
    "mixup": Augmentation(mixup=0.5),
    "cutmix": Augmentation(cutmix=1.0, mix_probability=1.0),
}


@pytest.mark.parametrize("augmentation", AUGMENTATIONS.values(), ids=AUGMENTATIONS)
@pytest.mark.parametrize("seed", [5, None], ids=["one seed", "own seeds"])
def test_augmentation_is_the_trainers(augmentation: Augmentation, seed: int | None) -> None:
    data = Images(batch_size=32, augmentation=augmentation)
    check(task(data=data, **DOUBLE), [*taylors(2, seed), Run(CrossEntropyLoss(), 5)])


def test_bfloat16_is_autocast_as_in_the_trainer() -> None:
    check(task(precision="bf16-mixed"), taylors(2), tolerance=3e-2)


def test_the_test_split_is_scored_after_training() -> None:
    plain = task(**DOUBLE)
    check(plain, taylors(3, None), split="test")
    check(plain, taylors(2), epochs=3)
    (val,) = PopulationEvaluator(plain, CROSS_ENTROPY).evaluate(taylors(1))
    (test,) = PopulationEvaluator(plain, CROSS_ENTROPY, split="test").evaluate(taylors(1))
    assert val.metric != test.metric


def test_the_test_split_stays_closed_otherwise() -> None:
    class Guarded(DigitsDataModule):
        def test_dataloader(self) -> object:
            raise AssertionError("opened")

    PopulationEvaluator(task(data=Guarded(training_fraction=0.2)), ACCURACY).evaluate(taylors(2))


class Exploding(MeanSquaredErrorLoss):
    """Finite for a while, then NaN."""

    family = "test_exploding_in_population"

    def __init__(self, healthy_calls: int) -> None:
        super().__init__()
        self.calls = 0
        self.healthy_calls = healthy_calls

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        self.calls += 1
        loss = super().forward(logits, target)
        return loss * float("nan") if self.calls > self.healthy_calls else loss


@pytest.mark.parametrize("steps", [0, 2, 3, 4, 7, 8])
def test_divergence_ends_a_run_at_once_and_touches_no_other(steps: int) -> None:
    """An epoch has four batches."""
    plain = task(max_epochs=2, **DOUBLE)
    runs = [*taylors(2), Run(Exploding(steps), 0), Run(taylor(5), 4)]
    for monitor in (ACCURACY, CROSS_ENTROPY, Monitor("val_loss", "min", worst=7.5)):
        together = timeless(PopulationEvaluator(plain, monitor).evaluate(runs))
        runs[2].loss.calls = 0  # type: ignore[assignment]
        (alone,) = timeless(TrainerEvaluator(plain, monitor).evaluate(runs[2:3]))
        runs[2].loss.calls = 0  # type: ignore[assignment]
        close = {name: pytest.approx(getattr(alone, name), rel=1e-6) for name in ("metric", "curve")}
        assert together[2] == replace(alone, **close)
        assert together[2].status is (Status.DIVERGED if steps < 8 else Status.COMPLETED)
        without = timeless(PopulationEvaluator(plain, monitor).evaluate([*runs[:2], runs[3]]))
        assert [*together[:2], together[3]] == without


def test_weights_that_end_as_nan_are_scored_as_the_trainer_scores_them() -> None:
    overflowing = task(model={"learning_rate": 1e30}, max_epochs=1, limit_train_batches=2)
    for monitor in (ACCURACY, CROSS_ENTROPY):
        runs = [Run(MeanSquaredErrorLoss(), 0), Run(CrossEntropyLoss(), 0)]
        together = timeless(PopulationEvaluator(overflowing, monitor).evaluate(runs))
        assert together == timeless(TrainerEvaluator(overflowing, monitor).evaluate(runs))


def test_reports_come_after_every_validation_and_can_stop_a_run() -> None:
    seen: dict[str, list[tuple[int, float]]] = {"population": [], "trainer": []}

    def runs(way: str) -> list[Run]:
        def report(epoch: int, metric: float) -> bool:
            seen[way].append((epoch, metric))
            return epoch == 1

        return [Run(taylor(0), 0), Run(taylor(1), 0, report), Run(taylor(2), 0)]

    longer = task(max_epochs=3, **DOUBLE)
    together = timeless(PopulationEvaluator(longer, ACCURACY).evaluate(runs("population")))
    assert together == timeless(TrainerEvaluator(longer, ACCURACY).evaluate(runs("trainer")))
    assert seen["population"] == seen["trainer"]
    assert [e.status for e in together] == [Status.COMPLETED, Status.PRUNED, Status.COMPLETED]


def test_hopeless_runs_are_tried_again_with_the_trainers_seeds() -> None:
    rule = AbortRule(below=0.45, epoch=0, attempts=2)
    runs = [Run(taylor(k), k) for k in range(4)]
    together = PopulationEvaluator(task(**DOUBLE), ACCURACY, abort=rule).evaluate(runs)
    assert timeless(together) == timeless(TrainerEvaluator(task(**DOUBLE), ACCURACY, abort=rule).evaluate(runs))
    assert {e.seed for e in together} - {run.seed for run in runs}


@networks
def test_scores_do_not_depend_on_who_else_is_in_the_stack(network: Callable[[], nn.Module]) -> None:
    def with_dropout() -> nn.Module:
        built = network()
        built.insert(len(built) - 1, nn.Dropout(0.3))  # type: ignore[operator]
        return built

    for seed in (0, None):
        runs = taylors(5, seed)
        for build in (network, with_dropout):
            plain = task(build)
            whole = [e.metric for e in PopulationEvaluator(plain, CROSS_ENTROPY).evaluate(runs)]
            evaluator = PopulationEvaluator(plain, CROSS_ENTROPY)
            for size in (1, 3):
                parts = [evaluator.evaluate(runs[start : start + size]) for start in range(0, len(runs), size)]
                assert [e.metric for part in parts for e in part] == pytest.approx(whole, rel=1e-6)


def test_no_more_models_train_together_than_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Counted(Population):
        def __init__(self, plan: Plan, runs: Sequence[Run], abort: AbortRule | None = None) -> None:
            sizes.append(len(runs))
            super().__init__(plan, runs, abort)

    monkeypatch.setattr(evaluator_module, "Population", Counted)
    whole = PopulationEvaluator(task(), ACCURACY).evaluate(taylors(5))
    monkeypatch.setattr(plan_module, "free_memory", lambda device: 400_000)
    parts = PopulationEvaluator(task(), ACCURACY).evaluate(taylors(5))
    assert sizes[0] == 5
    assert len(sizes) > 3
    assert max(sizes[1:]) < 5
    assert timeless(parts) == timeless(whole)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@networks
def test_on_a_gpu_scores_are_the_trainers(network: Callable[[], nn.Module]) -> None:
    check(task(network, accelerator="gpu", devices=1, **DOUBLE), taylors(3, None))


def test_order_of_the_runs_is_kept() -> None:
    losses = [taylor(0), CrossEntropyLoss(), taylor(1), BaikalLoss()]
    runs = [Run(loss, 0) for loss in losses]
    evaluator = PopulationEvaluator(task(**DOUBLE), CROSS_ENTROPY)
    forward, backward = evaluator.evaluate(runs), evaluator.evaluate(runs[::-1])
    assert timeless(forward) == timeless(backward)[::-1]


def test_dropout_is_statistically_the_trainers() -> None:
    noisy = task(lambda: mlp(hidden=(16,), dropout=0.4), max_epochs=2)
    runs = [Run(CrossEntropyLoss(), seed) for seed in range(20)]
    together = [e.metric for e in PopulationEvaluator(noisy, CROSS_ENTROPY).evaluate(runs)]
    alone = [e.metric for e in TrainerEvaluator(noisy, CROSS_ENTROPY).evaluate(runs)]
    # The same weights and batches make the scores pairs; dropout alone tells them apart.
    differences = [a - b for a, b in zip(together, alone, strict=True)]
    assert statistics.stdev(differences) > 0.0
    assert abs(statistics.mean(differences)) < 3.0 * statistics.stdev(differences) / 20**0.5


def test_a_crash_fails_its_run_and_no_other() -> None:
    class Crashing(MeanSquaredErrorLoss):
        family = "test_crashing_in_population"

        def forward(self, logits: Tensor, target: Tensor) -> Tensor:
            raise MemoryError("no memory left")

    runs = [Run(taylor(0), 0), Run(taylor(1), 0), Run(Crashing(), 3), Run(taylor(2), 0)]
    together = PopulationEvaluator(task(), ACCURACY).evaluate(runs)
    assert [e.status for e in together] == [Status.COMPLETED, Status.COMPLETED, Status.FAILED, Status.COMPLETED]
    assert together[2].reason == "MemoryError: no memory left"
    assert together[2].seed == 3


def test_time_is_shared_by_steps() -> None:
    short, long = PopulationEvaluator(task(), ACCURACY).evaluate([Run(Exploding(1), 0), Run(taylor(0), 0)])
    assert long.seconds == pytest.approx(4 * short.seconds)
    assert PopulationEvaluator(task(), ACCURACY).evaluate([]) == []
