"""Studies of somebody's own, in which losses were suggested, open in the report and in the dashboard."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial

from glo_lightning import suggest_loss
from glo_lightning.cli.main import main
from glo_lightning.dashboard.pictures import Pictures
from glo_lightning.dashboard.view import view
from glo_lightning.losses import Loss
from glo_lightning.words import number
from tests.report.test_page import Page

TRIALS = 16

SEED = 1
"""Of a sampler whose third trial has a tree that is a loss; most are none."""


def objective(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("lr", 1e-3, 1.0, log=True)
    loss = suggest_loss(trial, "taylor", num_classes=4, prefix="mine.")
    if trial.number == 3:
        raise ValueError("a crash of its own")
    trial.set_user_attr("training", "by hand")  # as searches of ours call something else
    return abs(rate - 0.1) + abs(float(loss.gamma(loss.theta.new_tensor(0.5), loss.theta.new_tensor(1.0))))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('study')}/own.db"
    study = optuna.create_study(study_name="<b>own", storage=url, sampler=RandomSampler(seed=1))
    study.optimize(objective, n_trials=TRIALS, catch=ValueError)
    optuna.create_study(study_name="without losses", storage=url).optimize(
        lambda trial: trial.suggest_float("x", 0, 1), n_trials=2
    )
    return url


def formula_of(trial: FrozenTrial) -> str:
    return Loss.from_dict(trial.user_attrs["mine.stored"]).formula("unicode")


def page_of(source: str, folder: Path, *options: str) -> Page:
    output = folder / "page.html"
    assert main(["report", source, f"--output={output}", *options]) == 0
    return Page(output)


@pytest.mark.parametrize("as_file", [False, True])
def test_the_page_has_leaders_formula_and_history(url: str, as_file: bool, tmp_path: Path) -> None:
    page = page_of(url.removeprefix("sqlite:///") if as_file else url, tmp_path)
    study = optuna.load_study(study_name="<b>own", storage=url)
    best, trials = study.best_trial, study.trials
    assert f"The best value so far is {number(study.best_value)}, by trial {best.number}" in page.words
    formula = Loss.from_dict(best.user_attrs["mine.stored"]).formula()
    assert formula in [figure["aria-label"] for figure in page.all("svg")]
    assert "<b>own" in page.words
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in trials)
    assert 0 < pruned < TRIALS - 2, "theory prunes some and leaves some"
    assert f"finished trials{TRIALS}" in page.words
    assert f"pruned by theory, untrained{pruned}" in page.words
    complete = sorted((trial for trial in trials if trial.value is not None), key=lambda trial: float(trial.value or 0))
    for trial in complete[:10]:
        row = f"{trial.number}{number(trial.value)}{trial.params['lr']}{formula_of(trial)}"
        assert row in page.words
    assert len(page.all("svg")) >= 4
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_family_and_a_running_study_can_be_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/own.db"
    study = optuna.create_study(study_name="all", storage=url, direction="maximize", sampler=RandomSampler(seed=SEED))
    study.ask()
    assert main(["report", url, f"--output={tmp_path}/none.html"]) == 2, "no loss was suggested"
    asked = [("drive", {"num_classes": 3}), ("residual", {}), ("drive", {"outputs": "sigmoid"})]
    for place, (family, options) in enumerate(asked):
        trial = study.ask()
        suggest_loss(trial, family, **options, invariant="none")  # type: ignore[arg-type]
        suggest_loss(trial, "glo", num_classes=3, invariant="none", prefix="aux.") if place == 2 else None
        if place == 0:
            assert "No trial has a value yet" in page_of(url, tmp_path).words
        study.tell(trial, float(place))
        assert f"by trial {trial.number}." in page_of(url, tmp_path).words, "the larger, the better"


def test_what_cannot_be_told_is_refused(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for source, options, words in (
        (url, ["--study=other"], "--study out of <b>own, got other"),
        (f"sqlite:///{tmp_path}/none.db", [], "none.db"),
    ):
        assert main(["report", source, f"--output={tmp_path}/a.html", *options]) == 2
        assert words in capsys.readouterr().err
    own = f"sqlite:///{tmp_path}/own.db"
    for name, directions in {"a": ["minimize"], "b": ["minimize", "maximize"]}.items():
        study = optuna.create_study(study_name=name, storage=own, directions=directions)
        suggest_loss(study.ask(), num_classes=3, invariant="none")
    assert main(["report", own]) == 2
    assert "--study out of a, b, got none. Choose one: --study=a." in capsys.readouterr().err
    assert main(["report", own, "--study=b"]) == 2
    assert "a study with one objective, got 2" in capsys.readouterr().err


def test_the_dashboard_shows_values_and_draws_the_losses(url: str, tmp_path: Path) -> None:
    storage: Any = view(optuna.storages.RDBStorage(url))
    study = next(each for each in storage.get_all_studies() if each.study_name == "<b>own")
    trials = storage.get_all_trials(study._study_id)
    assert len(trials) == TRIALS
    best = storage.get_best_trial(study._study_id)
    assert {"lr", *(name for name in best.params if name.startswith("mine."))} == set(best.params)
    assert best.user_attrs["training"] == "by hand"
    assert {trial.user_attrs["mine.formula"] == formula_of(trial) for trial in trials} == {True}
    pictures = [name.removeprefix("artifacts:") for name in best.system_attrs if name.startswith("artifacts:")]
    assert len(pictures) == 3
    for identifier in pictures:
        drawn = Pictures(storage, tmp_path).open_reader(identifier).read()
        assert b"<svg" in drawn
        assert b"No picture" not in drawn
