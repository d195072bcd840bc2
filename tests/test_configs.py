"""Every configuration parses, builds, and says what the authors' own says."""

import csv
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import Namespace

from glo_lightning.cli.main import main
from glo_lightning.cli.task_cli import TaskCLI
from glo_lightning.data import Augmentation, DigitsDataModule, StandInDataModule, VisionDataModule
from glo_lightning.data.corrupted import tensors_of
from glo_lightning.search.command import SEARCH

CONFIGS = Path(__file__).parent.parent / "configs"
PAPERS = {path.stem: path for path in sorted((CONFIGS / "papers").glob("*.yaml"))}

with (Path(__file__).parent / "experiments.csv").open() as file:
    EXPERIMENTS = {row["config"]: row for row in csv.DictReader(file)}
"""Facts about the configurations that the TaylorGLO authors published, by the names of ours."""

PARAMETERS = {
    "alexnet": 2_472_266,
    "allcnn_c": 1_369_738,
    "allcnn_c_heads": 1_399_518,
    "preresnet20": 272_282,
    "preresnet20_heads": 272_282 + 6_836,
    "preresnet32": 466_714,
    "preresnet56": 855_578,
    "resnet20": 272_474,
    "resnet32": 466_906,
    "resnet56": 855_770,
    "wrn10_16": 18_998_746,
    "wrn16_8": 10_961_370,
    "wrn22_6": 9_658_458,
    "wrn28_5": 9_132_634,
    "wrn28_10": 36_479_194,
    "mnist_cnn": 3_274_634,
}
"""As published, for 10 classes."""


@cache
def _cli() -> TaskCLI[Any]:
    return TaskCLI(SEARCH, [])


def _build(*files: Path) -> Namespace:
    """Build everything but the weights."""
    cli = _cli()
    parsed = cli.parser.parse_args([f"--config={file}" for file in files])
    with torch.device("meta"):
        built: Namespace = cli.parser.instantiate(parsed)
    built.search = SEARCH.read(vars(parsed.search))
    return built


def _smoke(name: str) -> Path:
    return CONFIGS / ("smoke_glo.yaml" if name.endswith("_glo") else "smoke.yaml")


def _augmentation(name: str) -> Augmentation:
    crops = {} if name.startswith("mnist") else {"crop_padding": 4, "flip": True}
    cutmix = {"cutmix": 1.0, "mix_probability": 0.5} if "_cutmix_" in name else {}
    return Augmentation(**crops, **cutmix, cutout=16 if "_cutout_" in name else 0)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_configuration_says_what_the_authors_own_says(name: str) -> None:
    facts, built = EXPERIMENTS[name], _build(PAPERS[name])
    model, search = built.model, built.search
    assert facts["authors_name"] in PAPERS[name].read_text()
    assert search.study_name == name
    assert (search.family, search.sigma, search.generations, search.comparison_seeds) == ("taylor", 1.2, 100, 10)
    assert search.order == int(facts["order"])
    assert search.invariant == facts["invariant"]
    assert search.candidates_per_generation == int(facts["population_size"])
    assert search.comparison_epochs == int(facts["full_epochs"])
    retried = (10, 0.15, 2) if facts["attempts"] == "3" else (None, None, 1)
    assert (search.abort_epoch, search.abort_below, search.attempts) == retried
    assert built.trainer["max_epochs"] == int(facts["epochs"])
    assert model.learning_rate == float(facts["learning_rate"])
    assert model.milestones == tuple(map(int, facts["milestones"].split()))
    assert not model.milestones or model.decay == float(facts["decay"])
    assert isinstance(built.data, VisionDataModule)
    assert built.data.dataset == facts["dataset"]
    assert built.data.augmentation == _augmentation(name)
    assert model.num_classes == built.data.num_classes
    if model.num_classes == 10:
        assert sum(weight.numel() for weight in model.parameters()) == PARAMETERS[facts["network"]]
    assert search.monitor == ("val_fgsm_accuracy" if "_fgsm_" in name else "val_accuracy")


@pytest.mark.parametrize("name", PAPERS)
def test_every_configuration_can_be_tried_on_a_stand_in(name: str) -> None:
    built = _build(PAPERS[name], _smoke(name))
    assert isinstance(built.data, StandInDataModule)
    assert built.data.train_tensors[0].shape == (8, *built.data.input_shape)
    assert built.data.augmentation == _augmentation(name)
    assert built.trainer["max_epochs"] == built.search.comparison_epochs == 1


def test_every_configuration_of_the_papers_is_checked() -> None:
    assert {*EXPERIMENTS, "mnist_cnn_glo"} == set(PAPERS)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("digits_*.yaml")), ids=lambda path: path.stem)
def test_the_digits_need_no_stand_in(path: Path) -> None:
    built = _build(path)
    assert isinstance(tensors_of(built.data), DigitsDataModule)
    assert built.search.study_name == path.stem


def test_joint_searches_find_what_they_search() -> None:
    for name, option, count in (
        ("cifar10_allcnn_c_activation_pop40_35e", "model.network.activation.coefficients", 7),
        ("cifar10_allcnn_c_decay_points_retry_350e", "model.milestones", 3),
    ):
        cli = TaskCLI(SEARCH, [f"--config={PAPERS[name]}"])
        assert list(cli.settings().joint) == [option]
        assert len(cli.configured(option)) == count


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        ("search", "cifar10_alexnet_cutout_invariant_retry_164e"),
        ("train", "cifar10_alexnet_cutmix_retry_164e"),
        ("compare", "cifar100_alexnet_16e"),
    ],
)
def test_a_configuration_tried_by_every_verb(
    verb: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([verb, f"--config={PAPERS[name]}", f"--config={_smoke(name)}"]) == 0
    assert (tmp_path / "runs" / f"smoke_{verb}" / "config.yaml").exists()
    assert "accuracy" in capsys.readouterr().out
