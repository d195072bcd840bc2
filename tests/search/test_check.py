"""A check tells all that is wrong at once, at either door, and what a search would cost; it leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest

from glo_lightning.cli.main import main
from glo_lightning.errors import GloError
from glo_lightning.search import LossSearch
from tests.search.toy import TRAINER, ToyData, ToyModel

TOY = ["--model=tests.search.toy.ToyModel", "--data=tests.search.toy.ToyData", "--trainer.accelerator=cpu"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["search", "--check", *TOY, *arguments])
    return code, capsys.readouterr().out


def test_a_search_that_would_work_is_described(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, said = check(capsys, "--trainer.max_epochs=2", "--search.generations=3", "--search.population_size=5")
    assert code == 0
    assert said.startswith("This search can begin.")
    assert "model: 35 weights, 3 classes by softmax outputs" in said
    assert "val_accuracy, val_loss; scored by val_accuracy, max" in said
    assert "15 candidates of 2 epochs" in said
    assert "ms for a candidate" in said
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_all_problems_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = check(capsys, "--trainer.max_epochs=2", "--trainer.max_steps=3", "--search.monitor=val_f1")
    assert code == 2
    assert said.startswith("2 to mend before this search:\n1. ")
    assert "max_steps=3" in said
    assert "'val_f1'" in said
    assert "candidates of" not in said, "what would not work costs nothing"


def test_either_door_finds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    _, said = check(capsys, "--trainer.max_epochs=2", "--trainer.max_steps=3", "--search.monitor=val_f1")
    findings = LossSearch(monitor="val_f1").check(ToyModel, ToyData(), {**TRAINER, "max_steps": 3})
    assert len(findings.problems) == 2
    for problem in findings.problems:
        assert problem.partition(", got")[0] in said


def test_what_a_check_finds_a_search_refuses_and_what_it_lets_pass_runs(tmp_path: Path) -> None:
    small: dict[str, Any] = {
        "generations": 1, "population_size": 4, "finalists": 1, "finalist_seeds": 1, "comparison_seeds": 0,
        "verbosity": "quiet", "output_dir": tmp_path / "run",
    }  # fmt: skip
    for settings, trainer in (({"monitor": "val_f1"}, TRAINER), ({"class_aware": True, "outputs": "sigmoid"}, TRAINER)):
        search = LossSearch(**{**small, **settings})
        found = search.check(ToyModel, ToyData(), trainer).problems
        with pytest.raises(GloError) as caught:
            search.run(ToyModel, ToyData(), trainer)
        assert str(caught.value) == found[0]
    search = LossSearch(**small)
    assert not search.check(ToyModel, ToyData(), TRAINER).problems
    assert search.run(ToyModel, ToyData(), TRAINER).best_loss is not None


def test_a_check_takes_what_a_run_takes() -> None:
    loaders = {"train_dataloaders": ToyData().train_dataloader(), "val_dataloaders": ToyData().val_dataloader()}
    search = LossSearch(comparison_seeds=0)
    assert not search.check(ToyModel(), trainer=TRAINER, start_from="weights", **loaders).problems
    for check in (search.check, LossSearch(comparison_seeds=0, tasks=("a", "b")).check):
        with pytest.raises(GloError, match=r"a data module, or loaders|Call run_tasks"):
            check(ToyModel)
