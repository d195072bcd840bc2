"""What a model's own loss promises holds at every door: the callback alone, the Trainer, the population, a search."""

import functools
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer, seed_everything
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812, as everybody calls it
from torch.utils.data import DataLoader, TensorDataset

from glo_lightning.callbacks import LossInjection
from glo_lightning.cli.main import main
from glo_lightning.errors import ModelError
from glo_lightning.losses import CrossEntropyLoss, Loss, MeanSquaredErrorLoss, SigmoidLoss
from glo_lightning.models import Classifier
from glo_lightning.search import LossSearch
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run
from glo_lightning.training.task import python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import TRAINER, ToyData, ToyModel

WEIGHT = torch.tensor([1.0, 2.0, 3.0])
LEAN = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
VAL_LOSS = Monitor("val_loss", "min")


class HoledData(LightningDataModule):
    """Toy data of which some training labels are missing, all of those in one batch."""

    void = 255

    def __init__(self, batch_size: int = 16) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.splits = ToyData().load()

    def train_dataloader(self) -> DataLoader[Any]:
        inputs, target = self.splits.train
        target = target.clone()
        target[::5] = target[8:16] = self.void
        return DataLoader(TensorDataset(inputs, target), self.batch_size)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(TensorDataset(*self.splits.val), self.batch_size)

    def test_dataloader(self) -> DataLoader[Any]:
        return DataLoader(TensorDataset(*self.splits.test), self.batch_size)


class Holed100(HoledData):
    void = -100


class Plain(ToyModel):
    """Computes its loss by whatever it is given."""

    own: Any = nn.CrossEntropyLoss()
    sigmoid = False

    def __init__(self) -> None:
        super().__init__()
        del self.loss_fn
        self.loss_fn = self.own

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        logits, target = self.net(batch[0]), batch[1]
        return self.reduce(self.loss_fn(logits, F.one_hot(target, 3).float() if self.sigmoid else target), target)

    def reduce(self, losses: Tensor, target: Tensor) -> Tensor:
        return losses


class Weighted(Plain):
    """Weighs the samples itself."""

    own = nn.CrossEntropyLoss(reduction="none")

    def reduce(self, losses: Tensor, target: Tensor) -> Tensor:
        weights = WEIGHT[target]
        return (losses * weights).sum() / weights.sum()


class WeightedByFunction(Weighted):
    own = staticmethod(functools.partial(F.cross_entropy, reduction="none"))


class WeightedByMethod(Weighted):
    def __init__(self) -> None:
        super().__init__()
        del self.loss_fn

    def loss_fn(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits, target, reduction="none")


class Summed(Plain):
    own = nn.CrossEntropyLoss(reduction="sum")

    def reduce(self, losses: Tensor, target: Tensor) -> Tensor:
        return losses / 100.0


class Void(Plain):
    own = nn.CrossEntropyLoss(ignore_index=255)


class SummedVoid(Summed):
    own = nn.CrossEntropyLoss(ignore_index=255, reduction="sum")


class LogProbabilities(Plain):
    own = nn.NLLLoss()

    def __init__(self) -> None:
        super().__init__()
        self.net.append(nn.LogSoftmax(-1))


class Binary(Plain):
    own = nn.BCEWithLogitsLoss(reduction="sum")
    sigmoid = True

    def reduce(self, losses: Tensor, target: Tensor) -> Tensor:
        return losses / 10.0


MODELS: dict[str, tuple[type[Plain], type[Any]]] = {
    "sample weights": (Weighted, ToyData),
    "sample weights, function": (WeightedByFunction, ToyData),
    "sample weights, method": (WeightedByMethod, ToyData),
    "sum": (Summed, ToyData),
    "ignored labels": (Void, HoledData),
    "ignored labels, torch's number": (Plain, Holed100),
    "sum without ignored labels": (SummedVoid, HoledData),
    "log-probabilities": (LogProbabilities, Holed100),
    "binary": (Binary, ToyData),
}
models = pytest.mark.parametrize(("model", "data"), MODELS.values(), ids=MODELS)


def cross_entropy(model: type[Plain]) -> Loss:
    return SigmoidLoss(CrossEntropyLoss()) if model.sigmoid else CrossEntropyLoss()


def fitted(model: LightningModule, data: LightningDataModule, *callbacks: Any, **options: Any) -> Tensor:
    trainer = Trainer(callbacks=list(callbacks), num_sanity_val_steps=0, **{**LEAN, **TRAINER, **options})
    trainer.fit(model, data)
    return trainer.callback_metrics["val_loss"]


@models
def test_cross_entropy_in_the_place_of_the_own_trains_as_the_own_does(
    model: type[Plain], data: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the callback, with it alone, and in the evaluator of searches and verdicts."""
    if issubclass(data, HoledData):
        # torch's own mean of a batch without labels is NaN; the candidate's is 0.
        monkeypatch.setattr(model, "reduce", lambda self, losses, target: losses.nan_to_num())
    results = []
    for callbacks in ([], [LossInjection(cross_entropy(model))]):
        seed_everything(0, verbose=False)
        results.append(float(fitted(model(), data(batch_size=8), *callbacks)))
    assert results[1] == pytest.approx(results[0], rel=1e-5)
    evaluator = TrainerEvaluator(python_task(model, data(batch_size=8), TRAINER), VAL_LOSS)
    (evaluation,) = evaluator.evaluate([Run(cross_entropy(model), 0)])
    assert evaluation.metric == pytest.approx(results[0], rel=1e-5)
    other = MeanSquaredErrorLoss() if not model.sigmoid else SigmoidLoss(MeanSquaredErrorLoss())
    assert evaluator.evaluate([Run(other, 0)])[0].metric != pytest.approx(results[0], rel=1e-3)


@pytest.mark.parametrize("name", ["sample weights, function", "sum without ignored labels"])
def test_a_search_and_its_verdict_take_them(name: str, tmp_path: Path) -> None:
    model, data = MODELS[name]
    settings = {"generations": 1, "population_size": 4, "finalists": 1, "finalist_seeds": 1, "comparison_seeds": 2,
                "rival_budget": 0}  # fmt: skip
    search = LossSearch(**settings, storage="memory", output_dir=str(tmp_path))
    result = search.run(model, data(), TRAINER)
    statuses = {trial.user_attrs["training"]["status"] for trial in result.study.trials}
    assert statuses <= {"completed", "violated"}
    assert "completed" in statuses
    assert result.best_loss.reduction == "mean"


class Own(Classifier):
    """A Classifier with a loss of its own."""

    def __init__(self, own: nn.Module | None = None) -> None:
        super().__init__(nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)), learning_rate=0.01)
        self.loss_fn = own or nn.CrossEntropyLoss(reduction="sum")


def test_a_population_keeps_them_as_the_trainer_does() -> None:
    task = python_task(Own, ToyData(), {**TRAINER, "precision": "64-true"})
    runs = [Run(CrossEntropyLoss(), 0), Run(MeanSquaredErrorLoss(), 0), Run(CrossEntropyLoss(), 1)]
    together = [each.metric for each in PopulationEvaluator(task, VAL_LOSS).evaluate(runs)]
    alone = [each.metric for each in TrainerEvaluator(task, VAL_LOSS).evaluate(runs)]
    assert together == pytest.approx(alone, rel=1e-5)
    mean = python_task(lambda: Own(CrossEntropyLoss()), ToyData(), TRAINER)
    assert PopulationEvaluator(mean, VAL_LOSS).evaluate(runs[:1])[0].metric != pytest.approx(alone[0], rel=1e-3)


def test_what_a_population_cannot_keep_is_left_to_the_trainer() -> None:
    task = python_task(lambda: Own(nn.CrossEntropyLoss(reduction="none")), ToyData(), TRAINER)
    assert "has a value for each sample" in PopulationEvaluator(task, VAL_LOSS).obstacle()


class Rich(Plain):
    own = nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.1)


CAVEAT = "Candidates do without weight and label_smoothing=0.1 of CrossEntropyLoss, which they replace."
NAME = f"{__name__}.Rich"


def test_the_callback_alone_logs_what_cannot_be_kept(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "glo_lightning.callbacks"):
        injection = LossInjection(CrossEntropyLoss())
        fitted(Rich(), ToyData(), injection)
        assert [record.message for record in caplog.records if record.name.startswith("glo_lightning")] == [CAVEAT]
        assert injection.caveat == CAVEAT
        caplog.clear()
        fitted(Plain(), ToyData(), LossInjection(CrossEntropyLoss()))
        assert not [record for record in caplog.records if record.name.startswith("glo_lightning")]


def test_a_search_says_once_what_cannot_be_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    search = LossSearch(
        generations=1, population_size=4, finalists=1, finalist_seeds=1, comparison_seeds=0, output_dir=str(tmp_path)
    )
    search.run(Rich, ToyData(), TRAINER)
    assert caplog.text.count(CAVEAT) == 1


@pytest.mark.parametrize(
    "verb", [["compare", "--losses", "mse", "--compare.seeds=2"], ["train", "--train.loss=mse", "--train.test=false"]]
)
def test_the_command_line_says_so_too(verb: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    section = verb[0]
    options = [
        "--model",
        NAME,
        "--data=tests.search.toy.ToyData",
        "--trainer.max_epochs=1",
        "--trainer.accelerator=cpu",
    ]
    assert main([*verb, *options, f"--{section}.output_dir={tmp_path / 'out'}"]) == 0
    assert caplog.text.count(CAVEAT) == 1


class Probabilities(Plain):
    own = nn.BCELoss()
    sigmoid = True

    def __init__(self) -> None:
        super().__init__()
        self.net.append(nn.Sigmoid())


def test_a_loss_of_probabilities_is_refused_before_anything_trains(tmp_path: Path) -> None:
    model = Probabilities()
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(ModelError, match="takes probabilities"):
        fitted(model, ToyData(), LossInjection(SigmoidLoss(CrossEntropyLoss())))
    assert all(map(torch.equal, before, model.parameters()))
    assert isinstance(model.loss_fn, nn.BCELoss)
    with pytest.raises(ModelError, match="takes probabilities"):
        LossSearch(storage="memory", output_dir=str(tmp_path), outputs="sigmoid").run(Probabilities, ToyData(), TRAINER)


def test_a_function_that_is_refused_stays_where_it_was() -> None:
    model = Plain()
    del model.loss_fn
    model.loss_fn = F.binary_cross_entropy
    with pytest.raises(ModelError, match="takes probabilities"):
        fitted(model, ToyData(), LossInjection(CrossEntropyLoss()))
    assert vars(model)["loss_fn"] is F.binary_cross_entropy


def test_values_of_another_shape_are_refused_in_the_first_batch() -> None:
    class PerClass(Plain):
        own = nn.MSELoss(reduction="none")
        steps = 0

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            PerClass.steps += 1
            return self.loss_fn(self.net(batch[0]), F.one_hot(batch[1], 3).float()).sum(-1).mean()

    with pytest.raises(ModelError, match=r"values have the shape of those of MSELoss, \(16, 3\), got \(16,\)"):
        fitted(PerClass(), ToyData(), LossInjection(MeanSquaredErrorLoss()))
    assert PerClass.steps == 1
