"""The losses need torch alone: whoever deploys a found loss installs nothing else."""

import subprocess
import sys

SCRIPT = """
import sys
import torch
before = set(sys.modules)
from glo_lightning.losses import TaylorLoss, load_loss, save_loss
import tempfile, os
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "loss.json")
    save_loss(TaylorLoss([0.0] * 8), path)
    logits = torch.zeros(2, 3, requires_grad=True)
    load_loss(path)(logits, torch.tensor([0, 1])).backward()
new = {name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(sorted(new - {"torch"}))
"""


def test_only_torch_and_this_package_are_imported() -> None:
    output = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True).stdout
    assert output.strip() == "['glo_lightning']"
