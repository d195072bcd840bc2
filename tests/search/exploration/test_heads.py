"""Searches for a loss for each head of a network."""

from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import SettingsError
from glo_lightning.losses import HeadsLoss, TaylorLoss
from glo_lightning.models import Classifier
from glo_lightning.search import LossSearch, SearchResult
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.records.read import Archive
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.asked import as_asked, make_space
from glo_lightning.theory import trainability
from tests.models.test_heads import small_network


def make_model() -> Classifier:
    """A perceptron with two auxiliary heads."""
    return Classifier(small_network())


def _search(folder: Path, **changes: Any) -> SearchResult:
    settings = {
        "generations": 2, "population_size": 6, "finalists": 1, "finalist_seeds": 1, "comparison_seeds": 2,
        "comparison_epochs": 1, "parameters": "theta", "sigma": 0.6, "start": "cross_entropy", "study_name": "heads",
        "output_dir": str(folder),
    }  # fmt: skip
    trainer = {"accelerator": "cpu", "max_epochs": 1, "limit_train_batches": 5}
    return LossSearch(**{**settings, **changes}).run(make_model, DigitsDataModule(), trainer)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    return _search(tmp_path_factory.mktemp("alone"))


def test_each_head_gets_a_polynomial_that_the_invariant_accepts(alone: SearchResult) -> None:
    for record in read_candidates(alone.study):
        assert len(record.parameters) == 24
        names = [f"{prefix}theta_{k}" for prefix in ("", "head_1.", "head_2.") for k in range(8)]
        thetas = torch.tensor([record.parameters[name] for name in names]).view(3, 8)
        exact = [trainability(TaylorLoss(theta), 10).exact for theta in thetas]
        assert (record.metric is not None) is all(exact)
    assert isinstance(alone.discovered_loss, HeadsLoss)
    archive = Archive.open(alone.output_dir)
    leader = archive.leader
    assert leader is not None
    assert archive.build(leader).to_dict() == alone.discovered_loss.to_dict()


def test_the_twin_matches_every_head(alone: SearchResult) -> None:
    assert isinstance(alone.discovered_loss, HeadsLoss)
    assert alone.comparison is not None
    scales = ", ".join(f"{trainability(loss, 10).drive / 10:.3g}" for loss in alone.discovered_loss.losses)
    assert [result.name for result in alone.comparison.results][1] == f"cross-entropy × {scales}"


@pytest.mark.parametrize("parameters", ["theta", "canonical"])
def test_every_head_is_normalised_by_itself(parameters: Literal["theta", "canonical"]) -> None:
    settings = SearchSettings(parameters=parameters, normalize="drive")
    vectors = make_space(settings, 10, num_heads=3)
    assert len(vectors.cross_entropy) == len(vectors.distributions) == 3 * len(make_space(settings, 10).distributions)
    point = dict(zip(vectors.distributions, vectors.cross_entropy, strict=True))
    loss = as_asked(vectors, settings, 10).build(point)
    assert isinstance(loss, HeadsLoss)
    assert [trainability(each, 10).drive for each in loss.losses] == pytest.approx([10.0] * 3)


class YesOrNoModel(Classifier):
    """Asks of every class whether it is the one."""

    def __init__(self) -> None:
        super().__init__(small_network())

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        inputs, target = batch
        loss: torch.Tensor = self.loss_fn(self(inputs), torch.nn.functional.one_hot(target, 10).float())
        return loss


def test_sigmoid_outputs_have_one_head(tmp_path: Path) -> None:
    search = LossSearch(outputs="sigmoid", output_dir=str(tmp_path), comparison_seeds=0)
    with pytest.raises(SettingsError, match="softmax outputs of several heads"):
        search.run(YesOrNoModel, DigitsDataModule(), {"accelerator": "cpu", "max_epochs": 1})
