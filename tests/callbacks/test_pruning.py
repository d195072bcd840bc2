"""OptunaPruning with real trainers, storages and ranks."""

import functools
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from lightning.pytorch import Trainer

from glo_lightning.callbacks import OptunaPruning
from glo_lightning.errors import SettingsError
from glo_lightning.search.workers.local import LocalLauncher
from tests.callbacks import pruned

STORAGES = ["study.db", "study.log"]


def _seen(folder: Path, rank: int = 0) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = json.loads((folder / f"rank{rank}.json").read_text())
    return seen


def _check(folder: Path, storage: str, pruner: str) -> None:
    trials = pruned.open_study(storage, pruner).trials
    assert trials[2].state.name == "PRUNED"
    assert trials[0].state.name == "COMPLETE"
    hopeless = _seen(folder)[2]
    assert hopeless["stopped"]
    assert hopeless["epochs"] < 6
    assert list(trials[2].intermediate_values) == list(range(hopeless["epochs"]))
    assert all(each["closed"] == "success" and each["finished"] and each["checkpoint"] for each in _seen(folder))


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("pruner", ["median", "patient"])
def test_a_hopeless_training_is_pruned_on_one_device(tmp_path: Path, storage: str, pruner: str) -> None:
    pruned.optimize(str(tmp_path / storage), tmp_path, pruner)
    _check(tmp_path, str(tmp_path / storage), pruner)


@pytest.mark.parametrize("pruner", ["successive_halving", "hyperband"])
def test_pruners_by_brackets_work(tmp_path: Path, pruner: str) -> None:
    pruned.optimize("memory", tmp_path, pruner)
    assert [each["closed"] for each in _seen(tmp_path)] == ["success"] * 3
    assert _seen(tmp_path)[2]["stopped"] or pruner == "hyperband", "hyperband draws a lenient bracket at times"


@pytest.mark.parametrize("storage", STORAGES)
def test_two_ranks_stop_together(tmp_path: Path, storage: str) -> None:
    work = functools.partial(pruned.optimize, str(tmp_path / storage), tmp_path, "median", devices=2)
    LocalLauncher(work, [{}], ranks=2).run()
    _check(tmp_path, str(tmp_path / storage), "median")
    leader, follower = _seen(tmp_path, 0), _seen(tmp_path, 1)
    for name in ("stopped", "epochs", "weight", "finished"):
        assert [each[name] for each in leader] == [each[name] for each in follower]


def test_ranks_without_a_trial_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a trial on rank 0"):
        LocalLauncher(functools.partial(pruned.without_trial, tmp_path), [{}], ranks=2).run()


def test_a_metric_that_is_not_logged_is_named() -> None:
    study = optuna.create_study()
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[OptunaPruning(study.ask(), "val_f1")], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    with pytest.raises(SettingsError, match=r"val_f1.*val_loss"):
        trainer.fit(pruned.Line(0.1), pruned.loader(), pruned.loader())


def test_of_several_validations_in_an_epoch_the_last_is_reported() -> None:
    study = optuna.create_study(pruner=optuna.pruners.NopPruner())
    trial = study.ask()
    seen: list[float] = []

    class Seeing(pruned.Line):
        def on_validation_epoch_end(self) -> None:
            seen.append(self.trainer.callback_metrics["val_loss"].item())

    trainer = Trainer(
        max_epochs=2, val_check_interval=0.5, num_sanity_val_steps=0, accelerator="cpu", logger=False,
        callbacks=[OptunaPruning(trial, "val_loss")], enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Seeing(0.1), pruned.loader(), pruned.loader())
    assert len(set(seen)) == 4
    study.tell(trial, seen[-1])
    assert study.trials[0].intermediate_values == {0: seen[1], 1: seen[3]}


def test_the_callback_can_be_used_again(tmp_path: Path) -> None:
    study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(upper=-1.0))
    callback = OptunaPruning(study.ask(), "val_loss")
    for _ in range(2):
        callback.trial = study.ask()
        trainer = Trainer(
            max_epochs=3, accelerator="cpu", callbacks=[callback], logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(pruned.Line(0.1), pruned.loader(), pruned.loader())
        assert (callback.stopped, trainer.current_epoch) == (True, 1)
