"""A torchvision built for another torch, as an installer that mixes indexes leaves it."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "name", ["models import Classifier", "data import DigitsDataModule", "callbacks import LossInjection"]
)
def test_a_foreign_torchvision_is_named_with_its_cure(name, tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    result = subprocess.run(
        [sys.executable, "-c", f"from glo_lightning.{name}"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    last_line = result.stderr.strip().splitlines()[-1]
    assert "EnvironmentMismatchError" in last_line
    assert "operator torchvision::nms does not exist" in last_line
    assert "pip install" in last_line
