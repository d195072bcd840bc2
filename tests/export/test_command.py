"""The verb export."""

from pathlib import Path

import pytest
import torch

from glo_lightning.cli.main import main
from glo_lightning.export import write_module
from glo_lightning.losses import BaikalLoss, TaylorLoss, save_loss


def test_text_goes_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loss = TaylorLoss([0.5] * 8)
    save_loss(loss, tmp_path / "best_loss.json")
    assert main(["export", str(tmp_path / "best_loss.json")]) == 0
    assert capsys.readouterr().out == write_module(loss)
    assert main(["export", "baikal", "--format=latex"]) == 0
    assert capsys.readouterr().out.startswith("L = ")


def test_files_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "baikal.pt"
    assert main(["export", "baikal", "--format=torchscript", "--output", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    logits, target = torch.randn(3, 4), torch.tensor([0, 1, 2])
    torch.testing.assert_close(torch.jit.load(path)(logits, target), BaikalLoss()(logits, target))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["baikal", "--format=onnx"], "Name the file"), (["nothing.json"], "Check the path")],
)
def test_what_cannot_be_done_is_explained(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *arguments]) == 2
    assert message in capsys.readouterr().err
