"""The verbs robustness and landscape from the command line to their files."""

import json
from pathlib import Path

import pytest
import yaml

from glo_lightning.cli.main import EXIT_ERROR, main
from glo_lightning.data import DigitsDataModule
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.task import python_task


def _accuracy(file: str) -> float:
    task = python_task(lambda: Classifier(mlp()), DigitsDataModule(), {"accelerator": "cpu"})
    trainer = task.build_trainer([], {})
    (metrics,) = trainer.test(task.build_model(), task.datamodule, ckpt_path=file, verbose=False, weights_only=True)
    return metrics["test_accuracy"]


def test_robustness_prints_a_table_and_writes_its_files(
    checkpoints: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--checkpoints",
        *checkpoints,
        "--epsilons",
        "0.1",
        "0",
        "8/255",
        f"--robustness.output_dir={tmp_path}",
    ]
    assert main(["robustness", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "PGD, transferred" in printed
    assert "0.0314" in printed
    assert "no attack was misled" in printed
    record = json.loads((tmp_path / "robustness.json").read_text())
    assert record["epsilons"] == [0.0, 8 / 255, 0.1]
    for name, file in zip(("cross_entropy", "baikal"), checkpoints, strict=True):
        curve = record["curves"][name]
        assert curve["clean"] == pytest.approx(_accuracy(file), abs=1e-6)
        assert all(accuracy[0] == curve["clean"] for accuracy in curve["accuracy"].values())
        assert curve["accuracy"]["PGD"][2] < curve["clean"]
    assert (tmp_path / "robustness.png").read_bytes().startswith(b"\x89PNG")


def test_attacks_may_raise_the_loss_of_the_training(
    checkpoints: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--checkpoints", checkpoints[1], "--epsilons", "0.1", f"--robustness.output_dir={tmp_path}"]
    assert main(["robustness", *arguments, "--robustness.attack_loss=trained"]) == 0
    assert "PGD, cross-entropy" in capsys.readouterr().out
    alone = tmp_path / "alone" / "last.ckpt"
    alone.parent.mkdir()
    alone.write_bytes(Path(checkpoints[1]).read_bytes())
    arguments[1] = str(alone)
    assert main(["robustness", *arguments, "--robustness.attack_loss=trained"]) == EXIT_ERROR
    assert "loss.json" in capsys.readouterr().err


@pytest.mark.parametrize("dimensions", [1, 2])
def test_landscape_prints_a_table_and_writes_its_files(
    checkpoints: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], dimensions: int
) -> None:
    config = tmp_path / "mine.yaml"
    # A file for a search, with options for the landscape, too.
    config.write_text(yaml.safe_dump({"search": {"generations": 3}, "landscape": {"points": 3, "num_images": 100}}))
    arguments = [f"--landscape.dimensions={dimensions}", f"--landscape.output_dir={tmp_path}", "--config", str(config)]
    assert main(["landscape", "--checkpoints", *checkpoints, *arguments]) == 0
    assert "flatness" in capsys.readouterr().out
    record = json.loads((tmp_path / "landscape.json").read_text())
    assert record["num_images"] == 100
    for each in record["models"].values():
        middle = each["accuracy"][1] if dimensions == 1 else each["accuracy"][1][1]
        assert each["flatness"] == middle  # no other point of this grid is within the radius
        assert each["curvature"] > 0.0
    assert (tmp_path / "landscape.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["robustness"], "at least one checkpoint"),
        (["robustness", "--checkpoints", "missing.ckpt"], "missing.ckpt"),
        (["robustness", "--checkpoints", "FILE", "--epsilons", "8"], "8/255"),
        (["robustness", "--checkpoints", "FILE", "--robustness.steps=0"], "steps"),
        (["landscape", "--checkpoints", "FILE", "--model.network.hidden=[32]"], "does not fit"),
        (["landscape", "--checkpoints", "FILE", "--landscape.points=4"], "odd"),
        (["landscape", "--checkpoints", "FILE", "--landscape.radius=2"], "radius"),
        (["landscape", "--checkpoints", "FILE", "--landscape.output_dir=/dev/null/x"], "writable"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    checkpoints: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main([checkpoints[0] if argument == "FILE" else argument for argument in arguments]) == EXIT_ERROR
    message = capsys.readouterr().err
    assert said in message
    assert message.startswith("error: ")
    assert message.count("\n") == 1


@pytest.mark.parametrize("verb", ["robustness", "landscape"])
def test_the_help_names_every_option(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    printed = capsys.readouterr().out
    assert f"--{verb}.num_images" in printed
    assert "--checkpoints FILE ..." in printed
