"""What importing losses loads: whoever deploys a found loss needs torch alone; to read expressions, not even that."""

import subprocess
import sys

import pytest

HEAD = "import json, os, sys, tempfile\n"
TAIL = """
new = {name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(sorted(new - {"torch"} if "torch" in before else new))
"""

DEPLOYED = """
import torch
before = set(sys.modules)
from glo_lightning.losses import TaylorLoss, load_loss, save_loss
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "loss.json")
    save_loss(TaylorLoss([0.0] * 8), path)
    logits = torch.zeros(2, 3, requires_grad=True)
    load_loss(path)(logits, torch.tensor([0, 1])).backward()
"""

STORED = """
import torch
before = set(sys.modules)
from glo_lightning.losses import load_loss
tree = {"format": 1, "family": "tree", "parameters": {"expression": "log(h) - y / h"}}
stored = {"format": 1, "family": "scaled", "parameters": {"loss": tree, "factor": 2.0}}
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "loss.json")
    with open(path, "w") as file:
        json.dump(stored, file)
    assert type(load_loss(path).loss).__name__ == "TreeLoss"
"""

READ = """
before = set(sys.modules)
from glo_lightning.losses import Input, Outputs, num_parameters
from glo_lightning.losses.expression import parse
from glo_lightning.losses.expression.algebra import to_sympy
from glo_lightning.losses.expression.coefficients import coefficient_paths
coefficient_paths(parse("log(h) - y / h"))
"""


@pytest.mark.parametrize("script", [DEPLOYED, STORED, READ], ids=["deployed", "stored", "read"])
def test_only_what_is_needed_is_imported(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", HEAD + script + TAIL], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['glo_lightning']", done.stderr
