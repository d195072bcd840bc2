"""What a task is made of is taken for what it is, or refused with a cure that works."""

import ast
import copy
import pickle
import random
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler, TensorDataset
from torchvision.transforms import Compose
from torchvision.transforms.v2 import Compose as ComposeOfModules

from glo_lightning.errors import DataError, GloError, ModelError, SettingsError
from glo_lightning.losses import CrossEntropyLoss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search import LossSearch
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run
from glo_lightning.training.task import python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.search.toy import TRAINER, ToyData, ToyModel

SPLITS = ToyData().load()
SEARCH: dict[str, Any] = {
    "generations": 1, "population_size": 4, "start": "zeros", "finalists": 1, "finalist_seeds": 1, "storage": "memory",
    "comparison_epochs": 1, "verbosity": "quiet",
}  # fmt: skip


def loader(split: str, **options: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(*getattr(SPLITS, split)), 16, **options)


def loaders(**training: Any) -> tuple[DataLoader[Any], DataLoader[Any], DataLoader[Any]]:
    return loader("train", **(training or {"shuffle": True})), loader("val"), loader("test")


class OwnData(LightningDataModule):
    """Serves the same by a data module of its own."""

    def train_dataloader(self) -> DataLoader[Any]:
        return loaders()[0]

    def val_dataloader(self) -> DataLoader[Any]:
        return loaders()[1]

    def test_dataloader(self) -> DataLoader[Any]:
        return loaders()[2]


def metric(data: Any, seed: int = 0, split: str = "test") -> float:
    evaluator = TrainerEvaluator(python_task(ToyModel, data, TRAINER), Monitor("val_loss", "min"), split=split)  # type: ignore[arg-type]
    return evaluator.evaluate([Run(CrossEntropyLoss(), seed)])[0].metric


@pytest.mark.parametrize(
    "data",
    [loaders(), list(loaders()), dict(zip(("train", "val", "test"), loaders(), strict=True))],
    ids=["tuple", "list", "dict"],
)
def test_loaders_are_data(data: Any) -> None:
    for split in ("val", "test"):
        assert metric(data, split=split) == metric(OwnData(), split=split)


def test_a_search_takes_loaders_with_and_without_test_data(tmp_path: Path) -> None:
    result = LossSearch(**SEARCH, comparison_seeds=0, output_dir=tmp_path).run(ToyModel, loaders()[:2], TRAINER)
    assert result.comparison is None
    with pytest.raises(ModelError, match="a data module with a test_dataloader"):
        LossSearch(**SEARCH, comparison_seeds=2, output_dir=tmp_path / "a").run(ToyModel, loaders()[:2], TRAINER)
    result = LossSearch(**SEARCH, comparison_seeds=2, output_dir=tmp_path / "b").run(ToyModel, loaders(), TRAINER)
    assert result.comparison is not None


def test_loaders_are_told_apart_in_words_that_are_the_same_in_every_process() -> None:
    description = python_task(ToyModel, loaders(), TRAINER).description["data"]
    assert description == "TestedLoadersDataModule(train='TensorDataset of 32 in batches of 16', val=" + (
        "'TensorDataset of 32 in batches of 16')"
    )


def test_a_class_is_built() -> None:
    task = python_task(ToyModel, ToyData, TRAINER)
    assert isinstance(task.datamodule, ToyData)
    assert task.description == python_task(ToyModel, ToyData(), TRAINER).description
    assert metric(ToyData) == metric(ToyData())


@pytest.mark.parametrize("own", ["loader", "sampler"])
def test_a_generator_of_a_loader_gives_each_training_the_order_of_its_seed(own: str) -> None:
    generator, data = torch.Generator(), TensorDataset(*SPLITS.train)
    options: dict[str, Any] = {"shuffle": True, "generator": generator}
    if own == "sampler":
        options = {"sampler": RandomSampler(data, generator=generator)}
    given = loaders(**options)
    first, again, other = metric(given, 0), metric(given, 0), metric(given, 1)
    assert first == again != other


class Noisy(Dataset[Any]):
    """Adds noise of a generator of its own."""

    def __init__(self, generator: Any) -> None:
        self.generator, self.data = generator, TensorDataset(*SPLITS.train)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Any:
        x, y = self.data[index]
        number = self.generator.random() if hasattr(self.generator, "random") else self.generator.random_sample()
        return x + number, y


class HoldsGenerator(LightningDataModule):
    def __init__(self, generator: Any) -> None:
        super().__init__()
        self.generator = generator

    def train_dataloader(self) -> Any:
        if isinstance(self.generator, torch.Generator):
            return loader("train", shuffle=True, generator=self.generator)
        return DataLoader(Noisy(self.generator), 16)

    def val_dataloader(self) -> Any:
        return loader("val")

    def test_dataloader(self) -> Any:
        return loader("test")


@pytest.mark.parametrize(
    "generator",
    [torch.Generator(), random.Random(3), np.random.default_rng(3), np.random.RandomState(3)],
    ids=lambda each: type(each).__name__,
)
def test_a_generator_of_a_data_module_gives_each_training_the_numbers_of_its_seed(generator: Any) -> None:
    before = state(generator)
    first, again, other = (metric(HoldsGenerator(generator), seed) for seed in (0, 0, 1))
    assert first == again != other
    assert state(generator) == before, "nothing is left behind"


class Jitter:
    """A transform, by a generator of its own."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x + float(self.generator.normal())

    def also(self, x: torch.Tensor) -> torch.Tensor:
        return self(x)


def jitter(x: torch.Tensor, generator: np.random.Generator) -> torch.Tensor:
    return x + float(generator.normal())


class Transformed(Dataset[Any]):
    def __init__(self, transform: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.transform, self.data = transform, TensorDataset(*SPLITS.train)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Any:
        x, y = self.data[index]
        return self.transform(x), y


@pytest.mark.parametrize(
    "transform",
    [
        lambda generator: Jitter(generator),
        lambda generator: Jitter(generator).also,
        lambda generator: partial(jitter, generator=generator),
        lambda generator: Compose([Jitter(generator)]),
        lambda generator: ComposeOfModules([Jitter(generator)]),
    ],
    ids=["object", "method", "partial", "compose", "compose of modules"],
)
def test_a_generator_of_a_transform_gives_each_training_the_numbers_of_its_seed(transform: Any) -> None:
    generator = np.random.default_rng(3)
    before = state(generator)
    given = (DataLoader(Transformed(transform(generator)), 16), *loaders()[1:])
    first, again, other = metric(given, 0), metric(given, 0), metric(given, 1)
    assert first == again != other
    assert state(generator) == before, "nothing is left behind"


def state(generator: Any) -> str:
    for name in ("getstate", "get_state"):
        if hasattr(generator, name):
            return str(getattr(generator, name)())
    return str(generator.bit_generator.state)


def test_a_task_of_loaders_is_made_again_in_another_process() -> None:
    task = python_task(ToyModel, loaders(), TRAINER)
    again = pickle.loads(pickle.dumps(task.rebuild))()  # noqa: S301
    assert again.description == task.description


class Needy(LightningDataModule):
    def __init__(self, root: str, size: int = 3) -> None:
        super().__init__()


TOY = ToyModel()

REFUSED: dict[str, tuple[Any, Any, Any, type[GloError], str]] = {
    "Trainer": (
        ToyModel, ToyData(), Trainer(max_epochs=7, accelerator="cpu", logger=False), SettingsError,
        r"got a Trainer. Pass them as a dict: {'max_epochs': 7}",
    ),
    "arguments in a list": (ToyModel, ToyData(), ["max_epochs"], SettingsError, "got list. Pass them as a dict"),
    "needy class": (ToyModel, Needy, None, DataError, r"which needs root. Build it: Needy\(root=...\)"),
    "function": (ToyModel, lambda: ToyData(), None, DataError, "got function"),
    "one loader": (ToyModel, loader("train"), None, DataError, "got DataLoader. Pass the loaders as a tuple"),
    "tuple of one": (ToyModel, (loader("train"),), None, DataError, "got tuple of 1"),
    "data sets": (ToyModel, [each.dataset for each in loaders()], None, DataError, "DataLoader.data, batch_size=64"),
    "other names": (ToyModel, {"train": loader("train"), "dev": loader("val")}, None, DataError, "dict of 2"),
    "network": (nn.Linear(4, 3), ToyData(), None, ModelError, "an instance of Linear"),
    "arguments": (Classifier, ToyData(), None, ModelError, r"required arguments \['network'\]. Pass lambda"),
}  # fmt: skip


@pytest.mark.parametrize(("model", "data", "trainer", "kind", "text"), REFUSED.values(), ids=REFUSED)
def test_what_is_none_of_these_is_refused(
    model: Any, data: Any, trainer: Any, kind: type[GloError], text: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=text):
        LossSearch(**SEARCH, output_dir=tmp_path).run(model, data, trainer)
    assert not (tmp_path / "trials.csv").exists()


NETWORK = mlp(3, in_features=4)
BACKBONE = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).requires_grad_(False)


def on(backbone: nn.Module) -> Classifier:
    return Classifier(nn.Sequential(backbone, nn.Linear(4, 3)))


@pytest.mark.parametrize(
    ("make", "text", "cured"),
    [
        (lambda: TOY, "the same model again", ToyModel),
        (lambda: Classifier(NETWORK), "models that share weights", lambda: Classifier(mlp(3, in_features=4))),
        (lambda: on(BACKBONE), "share network.0.1.running_mean, which the", lambda: on(copy.deepcopy(BACKBONE))),
        (lambda: mlp(3, in_features=4), "returns a Sequential", lambda: Classifier(mlp(3, in_features=4))),
    ],
    ids=["the same module", "the same network", "the same statistics", "no LightningModule"],
)
def test_functions_that_make_no_new_module_are_refused(
    make: Callable[[], Any], text: str, cured: Callable[[], Any], tmp_path: Path
) -> None:
    search = LossSearch(**SEARCH, comparison_seeds=0, output_dir=tmp_path)
    with pytest.raises(ModelError, match=text):
        search.run(make, ToyData(), TRAINER)
    search.run(cured, ToyData(), TRAINER)


@pytest.mark.parametrize("tasks", [{"one": (ToyModel, ToyData()), "two": ToyModel}, [ToyModel], ToyModel])
def test_tasks_are_made_by_python_task(tasks: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"tasks by name.*python_task\(model, datamodule, trainer\)"):
        LossSearch(**{**SEARCH, "comparison_seeds": 0}, output_dir=tmp_path).run_tasks(tasks)


def test_cures_that_are_code_run(tmp_path: Path) -> None:
    def cure(*given: Any) -> str:
        with pytest.raises(GloError) as caught:
            python_task(*given)
        return caught.value.cure

    search = LossSearch(**{**SEARCH, "comparison_seeds": 0}, output_dir=tmp_path)
    (arguments,) = re.findall(
        r"{.*}", cure(ToyModel, ToyData(), Trainer(max_epochs=1, accelerator="cpu", logger=False))
    )
    search.run(ToyModel, ToyData(), {**ast.literal_eval(arguments), "accelerator": "cpu"})
    (code,) = re.findall(r"DataLoader\(.*\)", cure(ToyModel, [each.dataset for each in loaders()], TRAINER))
    wrapped = [eval(code, {"DataLoader": DataLoader, "data": each.dataset}) for each in loaders()]  # noqa: S307
    python_task(ToyModel, wrapped, TRAINER)
    (code,) = re.findall(r"Needy\(.*\)", cure(ToyModel, Needy))
    python_task(ToyModel, eval(code, {"Needy": Needy}), TRAINER)  # noqa: S307
