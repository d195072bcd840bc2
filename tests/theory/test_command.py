import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from glo_lightning.errors import DataError, LossError, LossFileError, SettingsError
from glo_lightning.losses import DriveLoss, TreeLoss, TwoSidedLoss, cross_entropy_taylor, named_loss, save_loss
from glo_lightning.theory import AttractionRecord
from glo_lightning.theory.command import main


def test_it_prints_a_row_per_loss_and_writes_figures_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_loss(cross_entropy_taylor(3), tmp_path / "mine.json")
    output = tmp_path / "new" / "out"
    assert main(["cross_entropy", str(tmp_path / "mine.json"), "--num-classes", "5", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "cross_entropy" in printed
    assert "mine" in printed
    assert "−Σᵢ yᵢ·log(hᵢ)" in printed
    content = json.loads((output / "theory.json").read_text())
    assert set(content) == {"cross_entropy", "mine"}
    assert content["mine"]["num_classes"] == 5
    assert content["mine"]["trainability"]["stable"] is True
    assert content["mine"]["loss"]["family"] == "taylor"
    for name in ("shapes", "attraction", "start"):
        assert (output / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_without_output_it_only_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["baikal"]) == 0
    assert "-∞" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_an_undefined_loss_is_reported_not_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_loss(TreeLoss("log(h - 1/5) + y"), tmp_path / "broken.json")
    assert main([str(tmp_path / "broken.json"), "--output", str(tmp_path)]) == 0
    assert "undefined where training starts" in capsys.readouterr().out
    assert not (tmp_path / "attraction.png").exists()


def test_records_are_drawn_side_by_side(tmp_path: Path) -> None:
    for name in ("one", "two"):
        empty = AttractionRecord.empty(torch.arange(3), torch.zeros(3, dtype=torch.int64))
        empty.extended(torch.arange(2), torch.rand(2, 3), torch.randn(2, 3)).write(tmp_path / name / "attraction.npz")
    files = [str(tmp_path / name / "attraction.npz") for name in ("one", "two")]
    assert main(["--records", *files, "--output", str(tmp_path)]) == 0
    assert (tmp_path / "stratification.png").exists()
    with pytest.raises(SettingsError, match="--output"):
        main(["--records", *files])


def test_what_is_neither_a_name_nor_a_loss_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LossError, match="cross_entropy"):
        main(["cross_entropie"])
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(LossFileError):
        main([str(tmp_path / "bad.json")])
    with pytest.raises(DataError):
        main(["--records", str(tmp_path / "none.npz"), "--output", str(tmp_path)])
    with pytest.raises(SettingsError, match="num_classes"):
        main(["mse", "--num-classes", "1"])
    with pytest.raises(SettingsError, match="at least one loss or record"):
        main([])


def test_losses_of_sigmoid_outputs_have_two_classes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingsError, match="--num-classes=2 with binary_cross_entropy"):
        main(["cross_entropy", "binary_cross_entropy"])
    assert main(["binary_cross_entropy", "--num-classes", "2"]) == 0
    told = capsys.readouterr().out
    assert "binary_cross_entropy" in told
    assert main(["binary_cross_entropy"]) == 0
    assert capsys.readouterr().out == told


def test_a_loss_made_for_so_many_classes_is_judged_for_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, num_classes in (("hundred", 100), ("thousand", 1000)):
        save_loss(DriveLoss(q=0.7, num_classes=num_classes), tmp_path / f"{name}.json")
    save_loss(TwoSidedLoss(named_loss("cross_entropy")), tmp_path / "two.json")
    hundred, thousand, two = (str(tmp_path / f"{name}.json") for name in ("hundred", "thousand", "two"))
    assert main(["cross_entropy", hundred]) == 0
    told = capsys.readouterr().out
    assert told.count("×1 ") == 2
    assert main(["cross_entropy", hundred, "--num-classes=100"]) == 0
    assert capsys.readouterr().out == told
    assert main([two]) == 0
    with pytest.raises(SettingsError, match=r"--num-classes=100 with hundred, .*, got 10\. Leave the number out"):
        main([hundred, "--num-classes=10"])
    with pytest.raises(
        SettingsError, match=r"1000 with thousand, .*, got 100, for which hundred was made\. .*one after"
    ):
        main([hundred, thousand])
    with pytest.raises(SettingsError, match=r"--num-classes=2 with binary_cross_entropy, .*, got 100"):
        main([hundred, "binary_cross_entropy"])


def test_the_module_explains_errors_and_imports_matplotlib_for_figures_only() -> None:
    code = """
import runpy, sys
sys.argv = ["theory", "nothing"]
try:
    runpy.run_module("glo_lightning.theory", run_name="__main__")
finally:
    assert "matplotlib" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "a name out of cross_entropy" in done.stderr


def test_rows_can_be_told_apart_in_80_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    save_loss(cross_entropy_taylor(3), tmp_path / "x[b]y.json")
    losses = [str(tmp_path / "x[b]y.json"), "taylorglo_1", "taylorglo_2", "cross_entropy"]
    assert main([*losses, "--output", str(tmp_path)]) == 0
    table = capsys.readouterr().out.partition("start  ")[2].partition("gradient of")[0]
    assert all(name in table for name in ("x[b]y", "taylorglo_1", "taylorglo_2", "cross_entropy"))
    assert "…" not in table
