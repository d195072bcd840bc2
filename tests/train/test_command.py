"""``python -m glo_lightning.train`` as a user meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from glo_lightning.cli.main import main
from glo_lightning.errors import SettingsError
from glo_lightning.losses import cross_entropy_taylor, load_loss, save_loss
from glo_lightning.train.resumption import claim

QUICK = ["--trainer.accelerator=cpu", "--trainer.max_epochs=2"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _train(*arguments: str) -> int:
    try:
        return main(["train", *QUICK, *arguments])
    except SystemExit as exit_:
        return int(exit_.code or 0)


def _weights(checkpoint: str) -> torch.Tensor:
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    return torch.cat([state[name].flatten() for name in sorted(state) if name.startswith("network.")])


def test_help_is_quick(capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys\n"
        "from glo_lightning.cli.main import main\n"
        "assert main(['train', '--help']) == 0\n"
        "assert not {'torch', 'lightning'} & set(sys.modules), 'help loads too much'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--train.monitor" in done.stdout
    assert "[--loss LOSS]" in done.stdout


def test_it_leaves_checkpoints_logs_and_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    save_loss(cross_entropy_taylor(3), "mine.json")
    assert _train("--loss", "mine.json") == 0
    folder = Path("runs/train_mine")
    assert {path.name for path in folder.iterdir()} == {
        "best.ckpt", "last.ckpt", "config.yaml", "csv", "loss.json", "metrics.json", "tensorboard", "training.json"
    }  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics) >= {"val_accuracy", "val_loss", "test_accuracy", "test_loss"}
    assert f"test_accuracy {metrics['test_accuracy']:.4f}" in " ".join(capsys.readouterr().out.split())
    logged = pd.read_csv(folder / "csv" / "version_0" / "metrics.csv")
    assert {"train_loss", "val_accuracy", "lr-SGD"} <= set(logged.columns)
    assert logged["val_accuracy"].max() == pytest.approx(metrics["val_accuracy"])
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))
    assert load_loss(folder / "loss.json").to_dict() == cross_entropy_taylor(3).to_dict()


def test_a_training_is_called_like_the_folder_of_its_search() -> None:
    Path("runs/baikal").mkdir(parents=True)
    save_loss(cross_entropy_taylor(3), "runs/baikal/best_loss.json")
    assert _train("--loss=runs/baikal/best_loss.json", "--train.test=false", "--train.epochs=1") == 0
    assert Path("runs/train_baikal/last.ckpt").exists()


def test_the_last_checkpoint_is_of_the_last_epoch_even_if_another_was_best() -> None:
    assert _train("--train.name=mine", "--train.mode=min", "--train.epochs=3") == 0
    best, last = (torch.load(f"runs/mine/{name}.ckpt", weights_only=True)["epoch"] for name in ("best", "last"))
    assert best < last == 2


def test_the_loss_makes_the_difference_and_the_seed_fixes_the_rest() -> None:
    for name, loss in (("a", "mse"), ("b", "mse"), ("c", "cross_entropy")):
        assert _train("--loss", loss, f"--train.name={name}", "--train.test=false") == 0
    assert torch.equal(_weights("runs/a/last.ckpt"), _weights("runs/b/last.ckpt"))
    assert not torch.equal(_weights("runs/a/last.ckpt"), _weights("runs/c/last.ckpt"))
    assert "test_accuracy" not in json.loads(Path("runs/a/metrics.json").read_text())


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been() -> None:
    assert _train("--train.name=whole", "--train.epochs=4") == 0
    assert _train("--train.name=parts") == 0
    assert _train("--train.name=parts", "--train.epochs=4") == 0
    assert torch.equal(_weights("runs/parts/last.ckpt"), _weights("runs/whole/last.ckpt"))
    whole = json.loads(Path("runs/whole/metrics.json").read_text())
    assert json.loads(Path("runs/parts/metrics.json").read_text()) == whole
    assert _train("--train.name=parts", "--train.epochs=4") == 0
    assert json.loads(Path("runs/parts/metrics.json").read_text()) == whole


CHANGES = [
    ("--trainer.gradient_clip_val=0.5", "trainer.gradient_clip_val=null instead of 0.5"),
    ("--model.learning_rate=0.03", "model.init_args.learning_rate=0.1 instead of 0.03"),
    ("--train.seed=3", "seed=0 instead of 3"),
    ("--data.batch_size=32", "data.init_args.batch_size=64 instead of 32"),
]


def test_what_changes_the_training_is_named_and_what_does_not_may_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert _train("--train.name=mine", "--train.test=false") == 0
    for argument, words in CHANGES:
        assert _train("--train.name=mine", "--train.epochs=3", argument) == 2
        assert f"got one with {words}. Choose another --train.name" in capsys.readouterr().err
    free = [
        "--trainer.log_every_n_steps=1",
        "--trainer.enable_model_summary=true",
        "--train.monitor=val_loss",
        "--train.mode=min",
    ]
    assert _train("--train.name=mine", "--train.epochs=3", "--train.test=false", *free) == 0


def test_a_folder_of_an_earlier_version_is_gone_on_from() -> None:
    assert _train("--train.name=mine", "--train.test=false") == 0
    mark = Path("runs/mine/training.json")
    earlier = {name: value for name, value in json.loads(mark.read_text()).items() if name in ("loss", "model", "data")}
    mark.write_text(json.dumps(earlier))
    assert _train("--train.name=mine", "--loss=mse") == 2
    assert _train("--train.name=mine", "--train.epochs=3", "--train.test=false") == 0
    mark.write_text(mark.read_text()[:50])
    assert _train("--train.name=mine", "--train.epochs=4") == 2


def test_a_section_that_only_some_trainings_have_counts(tmp_path: Path) -> None:
    with_optimizer = {"trainer": {}, "optimizer": {"init_args": {"lr": 0.1}}}
    (tmp_path / "last.ckpt").touch()
    for identity in ({"trainer": {}}, with_optimizer):
        claim(tmp_path, identity, resume=False)
        (tmp_path / "last.ckpt").touch()
        claim(tmp_path, identity, resume=True)
    with pytest.raises(SettingsError, match=r"optimizer\.init_args\.lr=0\.1 instead of 0\.2"):
        claim(tmp_path, {"trainer": {}, "optimizer": {"init_args": {"lr": 0.2}}}, resume=True)
    with pytest.raises(SettingsError, match=r"optimizer\.init_args\.lr=0\.1 instead of null"):
        claim(tmp_path, {"trainer": {}}, resume=True)


def test_what_cannot_be_gone_on_from_is_refused_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert _train("--train.name=mine", "--train.test=false") == 0
    before = Path("runs/mine/config.yaml").read_text()
    assert _train("--train.name=mine", "--train.epochs=1") == 2
    assert "a training of 2 epochs or more, which 'runs/mine/last.ckpt'" in capsys.readouterr().err
    last = Path("runs/mine/last.ckpt")
    last.write_bytes(last.read_bytes()[:5000])
    assert _train("--train.name=mine", "--train.epochs=3") == 2
    assert "'runs/mine/last.ckpt', which cannot" in capsys.readouterr().err
    assert Path("runs/mine/config.yaml").read_text() == before
    assert _train("--train.name=mine", "--train.resume=false", "--train.epochs=1", "--train.test=false") == 0


DIVERGING = """
import torch
from glo_lightning.models import Classifier, mlp


class Diverging(Classifier):
    def __init__(self, loss_in: int = 99, weights_in: int = 99) -> None:
        super().__init__(mlp())
        self.loss_in, self.weights_in = loss_in, weights_in

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss * float("nan") if self.current_epoch == self.loss_in else loss

    def on_train_epoch_end(self):
        if self.current_epoch == self.weights_in:
            torch.nn.init.constant_(self.network[1].bias, float("nan"))

    def on_validation_epoch_end(self):
        super().on_validation_epoch_end()
        self.log("val_nothing", float("nan"))
"""


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> str:
    Path("diverging.py").write_text(DIVERGING)
    monkeypatch.syspath_prepend(str(Path.cwd()))
    return "--model=diverging.Diverging"


def test_a_training_that_diverged_keeps_its_last_good_epoch_and_diverges_again(
    diverging: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        assert _train(diverging, "--model.loss_in=1", "--train.name=mine") == 2
        assert "not finite" in capsys.readouterr().err
        for name in ("last", "best"):
            assert torch.load(f"runs/mine/{name}.ckpt", weights_only=True)["epoch"] == 0
            assert _weights(f"runs/mine/{name}.ckpt").isfinite().all()
    assert not Path("runs/mine/metrics.json").exists()


def test_weights_that_no_loss_has_seen_are_looked_at_too(diverging: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _train(diverging, "--model.weights_in=1", "--train.name=mine") == 2
    assert "after the last step" in capsys.readouterr().err
    assert _train(diverging, "--model.weights_in=1", "--train.name=mine") == 2
    assert "'runs/mine/last.ckpt', whose training diverged" in capsys.readouterr().err


def test_a_metric_without_a_value_is_null(diverging: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _train(diverging, "--train.name=mine", "--train.epochs=1") == 0
    assert "val_nothing nan" in " ".join(capsys.readouterr().out.split())
    assert json.loads(Path("runs/mine/metrics.json").read_text())["val_nothing"] is None


def test_another_training_is_not_mixed_with_this_one_but_may_replace_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert _train("--train.name=mine") == 0
    before = _weights("runs/mine/last.ckpt")
    assert _train("--train.name=mine", "--loss=mse") == 2
    assert "--train.resume=false" in capsys.readouterr().err
    assert _train("--train.name=mine", "--loss=mse", "--train.resume=false") == 0
    assert not torch.equal(_weights("runs/mine/last.ckpt"), before)


def test_the_configuration_it_leaves_repeats_it() -> None:
    assert _train("--loss=focal", "--model.learning_rate=0.03") == 0
    assert main(["train", "--config", "runs/train_focal/config.yaml", "--train.name=again"]) == 0
    assert torch.equal(_weights("runs/again/last.ckpt"), _weights("runs/train_focal/last.ckpt"))


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["--loss=cross_entropie"], ["cross_entropie", "baikal"]),
        (["--loss"], ["--loss"]),
        (["--train.epochs=0"], ["epochs of 1 or more"]),
        (["--train.monitor=val_f1"], ["val_f1", "val_accuracy"]),
        (["--train.loss_attribute=criterion"], ["criterion", "loss_fn"]),
        (["--config=nowhere.yaml"], ["nowhere.yaml"]),
        (["--data=glo_lightning.data.VisionDataModule", "--data.dataset=cifar10"], ["CIFAR10", "download=True"]),
        (["--model.learning_rate=1e30", "--train.epochs=1"], ["finite", "learning rate"]),
        (["--train.output_dir=taken/here"], ["writable output folder"]),
    ],
)
def test_bad_input_is_refused_with_exit_code_2_and_no_traceback(
    arguments: list[str], texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("taken").write_text("")
    assert _train(*arguments) == 2
    errors = capsys.readouterr().err
    for text in texts:
        assert text in errors
    assert "Traceback" not in errors


def test_a_model_that_answers_yes_or_no_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("yes_or_no.py").write_text(
        "import torch\n"
        "from glo_lightning.data import DigitsDataModule\n"
        "from lightning.pytorch import LightningModule\n\n\n"
        "class EvenOrOdd(LightningModule):\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__()\n"
        "        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 1))\n"
        "        self.loss_fn = torch.nn.BCEWithLogitsLoss()\n\n"
        "    def training_step(self, batch, batch_idx):\n"
        "        return self.loss_fn(self.layers(batch[0]), (batch[1] % 2).float().unsqueeze(1))\n\n"
        "    def validation_step(self, batch, batch_idx):\n"
        "        right = (self.layers(batch[0])[:, 0] > 0) == (batch[1] % 2 == 1)\n"
        "        self.log('val_accuracy', right.float().mean())\n\n"
        "    def configure_optimizers(self):\n"
        "        return torch.optim.SGD(self.parameters(), 0.1)\n"
    )
    monkeypatch.syspath_prepend(str(Path.cwd()))
    assert _train("--model=yes_or_no.EvenOrOdd", "--train.outputs=sigmoid", "--loss=focal") == 0
    assert json.loads(Path("runs/train_focal/metrics.json").read_text())["val_accuracy"] > 0.6
    assert _train("--model=yes_or_no.EvenOrOdd", "--loss=baikal") == 2


def test_two_ranks_train_one_model() -> None:
    command = [sys.executable, "-m", "glo_lightning.train", *QUICK, "--trainer.devices=2", "--trainer.strategy=ddp"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test_accuracy") == 1
    assert json.loads(Path("runs/train_cross_entropy/metrics.json").read_text())["test_accuracy"] > 0.5
