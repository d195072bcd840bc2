"""AdversarialValidation in real trainings, alone, over ranks and as the monitor of an evaluator."""

import functools
import json
from pathlib import Path

import pytest
from lightning.pytorch import Callback, Trainer

from glo_lightning.attacks import PixelSpace, fgsm, margin, pgd
from glo_lightning.callbacks import AdversarialValidation
from glo_lightning.data import DigitsDataModule, VisionDataModule
from glo_lightning.errors import DataError, ModelError, SettingsError
from glo_lightning.losses import CrossEntropyLoss, Loss, named_loss
from glo_lightning.models import Classifier, mlp
from glo_lightning.search import LossSearch
from glo_lightning.search.workers.local import LocalLauncher
from glo_lightning.training.checks.one_batch import probe_task
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Run
from glo_lightning.training.task import Task, python_task
from glo_lightning.training.trainer import TrainerEvaluator
from tests.callbacks import attacked
from tests.search.toy import ToyData, ToyModel

ROBUST = Monitor("val_fgsm_accuracy")


def _trainer(*callbacks: Callback) -> Trainer:
    return Trainer(
        max_epochs=2, accelerator="cpu", callbacks=list(callbacks), logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip


def _task(*callbacks: Callback) -> Task:
    settings = {"accelerator": "cpu", "max_epochs": 2, "callbacks": list(callbacks)}
    return python_task(lambda: Classifier(mlp()), DigitsDataModule(), settings)


def _score(task: Task, monitor: Monitor, loss: Loss | None = None, split: str = "val") -> float:
    (evaluation,) = TrainerEvaluator(task, monitor, split=split).evaluate([Run(loss or CrossEntropyLoss(), 0)])  # type: ignore[arg-type]
    return evaluation.metric


def test_it_logs_the_accuracy_on_the_attacked_images() -> None:
    model, data, trainer = Classifier(mlp()), DigitsDataModule(), _trainer(AdversarialValidation(0.05))
    trainer.fit(model, data)
    inputs, target = data.val_tensors
    right = model(fgsm(model, inputs, target, 0.05, PixelSpace())).argmax(-1) == target
    assert trainer.callback_metrics["val_fgsm_accuracy"] == right.float().mean()


def test_pgd_is_logged_beside_fgsm_and_is_stronger() -> None:
    model, data = Classifier(mlp()), DigitsDataModule()
    trainer = _trainer(AdversarialValidation(0.1), AdversarialValidation(0.1, "pgd"))
    trainer.fit(model, data)
    inputs, target = data.val_tensors
    right = model(pgd(model, inputs, target, 0.1, PixelSpace(), margin)).argmax(-1) == target
    found = trainer.callback_metrics
    assert found["val_pgd_accuracy"] == right.float().mean() < found["val_fgsm_accuracy"]


def test_epsilon_zero_gives_the_clean_accuracy_and_training_is_not_disturbed() -> None:
    assert _score(_task(AdversarialValidation(0)), ROBUST) == _score(_task(), Monitor())
    assert _score(_task(AdversarialValidation(0.1)), Monitor()) == _score(_task(), Monitor())


def test_ranks_agree_with_one_process(tmp_path: Path) -> None:
    attacked.validate(tmp_path, devices=1)
    LocalLauncher(functools.partial(attacked.validate, tmp_path, devices=2), [{}], ranks=2).run()
    alone, leader, follower = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("1-0", "2-0", "2-1"))
    assert {"val_fgsm_accuracy", "test_fgsm_accuracy"} < set(alone)
    assert leader == follower
    assert leader == pytest.approx(alone, abs=1e-6)


def test_monitoring_it_is_enough_on_both_splits() -> None:
    task = _task()
    assert ROBUST.name in probe_task(task, ROBUST).metrics
    assert ROBUST.name not in probe_task(task, Monitor()).metrics
    stronger = Monitor("val_pgd_accuracy")
    assert stronger.name in probe_task(_task(AdversarialValidation()), stronger).metrics
    for split in ("val", "test"):
        scores = [_score(task, monitor, split=split) for monitor in (stronger, ROBUST, Monitor())]
        assert 0.0 < scores[0] < scores[1] < scores[2]


def test_a_search_for_it_has_a_verdict(tmp_path: Path) -> None:
    search = LossSearch(
        family="drive", monitor=ROBUST.name, generations=1, population_size=4, finalists=1, finalist_seeds=1,
        comparison_seeds=2, comparison_epochs=1, rival_budget=0, storage="memory", output_dir=tmp_path,
        verbosity="quiet",
    )  # fmt: skip
    result = search.run(lambda: Classifier(mlp()), DigitsDataModule(), {"accelerator": "cpu", "max_epochs": 1})
    assert result.comparison is not None
    assert result.comparison.title == "fgsm_accuracy on the test split"


def test_the_users_own_epsilon_is_kept() -> None:
    scores = [_score(_task(AdversarialValidation(epsilon)), ROBUST) for epsilon in ("2/255", "51/510")]
    assert scores[0] > scores[1] == _score(_task(), ROBUST)


def test_a_loss_that_hides_its_gradient_is_attacked_with_cross_entropy() -> None:
    assert _score(_task(), ROBUST, named_loss("baikal")) < _score(_task(), Monitor(), named_loss("baikal"))


def test_a_population_steps_aside() -> None:
    assert PopulationEvaluator(_task(), ROBUST).obstacle().endswith("but val_fgsm_accuracy")
    assert "AdversarialValidation" in PopulationEvaluator(_task(AdversarialValidation()), Monitor()).obstacle()


def test_what_cannot_be_attacked_is_refused() -> None:
    with pytest.raises(SettingsError, match="epsilon"):
        AdversarialValidation(8)
    with pytest.raises(SettingsError, match="'fgsm' or 'pgd', got 'cw'"):
        AdversarialValidation(attack="cw")  # type: ignore[arg-type]
    cpu = {"accelerator": "cpu"}
    with pytest.raises(ModelError, match="forward"):
        probe_task(python_task(ToyModel, ToyData(), cpu), ROBUST)
    with pytest.raises(DataError, match="mean and std"):
        probe_task(python_task(lambda: Classifier(mlp(3, in_features=4)), ToyData(), cpu), ROBUST)


def test_every_data_module_of_images_says_how_it_normalises() -> None:
    assert PixelSpace.of(VisionDataModule("mnist")) == PixelSpace((0.1307,), (0.3081,))
    assert PixelSpace.of(DigitsDataModule()) == PixelSpace((0.0,), (1.0,))
