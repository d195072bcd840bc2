"""A search needs none of the extras; what needs one names it, and the command that installs it."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from glo_lightning.errors import EnvironmentMismatchError
from glo_lightning.extras import EXTRAS, install_command, is_installed, require_extra
from tests.benchmarks.installation import ROOT, closure, setup
from tests.core import link_core

SCRIPT = """
import contextlib, importlib, io, json, os, pkgutil, sys
import glo_lightning
from glo_lightning.cli.main import main
from glo_lightning.errors import EnvironmentMismatchError
from glo_lightning.search import LossSearch
from glo_lightning.train import command
from tests.search.toy import TRAINER, ToyData, ToyModel

needy = []
for module in pkgutil.walk_packages(glo_lightning.__path__, "glo_lightning."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ImportError:
            needy.append(module.name)

small = dict(generations=1, population_size=4, invariant="none", finalists=1, finalist_seeds=1, comparison_seeds=2,
             comparison_epochs=1, rival_budget=0, evaluator="trainer", monitor="val_loss", mode="min")
result = LossSearch(**small, output_dir="run").run(ToyModel, ToyData(), TRAINER)
told = dict(needy=needy, files=sorted(path.name for path in result.output_dir.iterdir()))
try:
    result.to_frame()
except EnvironmentMismatchError as error:
    told["to_frame"] = str(error)
task = ["--model=tests.search.toy.ToyModel", "--data=tests.search.toy.ToyData", "--trainer.accelerator=cpu"]
monitor = ["--train.monitor=val_loss", "--train.mode=min"]
told["train"] = main(["train", "--train.loss=baikal", "--train.epochs=1", *monitor, *task])
told["export"] = main(["export", "run/best_loss.json", "--output=found.py"])
told["theory"] = main(["theory", "baikal"])

os.mkdir("refused")
os.chdir("refused")
told["refused"] = {}
for name, arguments in json.loads(sys.argv[1]).items():
    with contextlib.redirect_stderr(io.StringIO()) as said:
        told["refused"][name] = [main(arguments), said.getvalue()]
print(json.dumps(told))
"""

SEARCH = ["search", "--search.output_dir=../elsewhere"]
VERBS = {
    "postgres": ([*SEARCH, "--search.storage=postgresql://me@127.0.0.1:9/db"], "postgres"),
    "grpc": ([*SEARCH, "--search.storage=grpc://127.0.0.1:9"], "grpc"),
    "ray": ([*SEARCH, "--search.launcher=ray"], "ray"),
    "compare": (["compare", "--losses=baikal"], "figures"),
    "robustness": (["robustness", "--checkpoints=none.ckpt"], "figures"),
    "landscape": (["landscape", "--checkpoints=none.ckpt"], "figures"),
    "report": (["report", "run"], "figures"),
    "theory": (["theory", "baikal", "--output=figures"], "figures"),
    "dashboard": (["dashboard", "run"], "dashboard"),
    "onnx": (["export", "../run/best_loss.json", "--format=onnx", "--output=a.onnx"], "onnx"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happens where the core alone is installed."""
    core, folder = tmp_path_factory.mktemp("core"), tmp_path_factory.mktemp("folder")
    link_core(core)
    verbs = json.dumps({name: arguments for name, (arguments, _) in VERBS.items()})
    done = subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT, verbs],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, (ROOT, core)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**printed, "folder": folder, "said": done.stderr}


def test_the_core_searches_trains_and_takes_losses_home(told: dict[str, Any]) -> None:
    assert told["needy"] == [], "whatever is imported at once comes with the core"
    assert {"best_loss.json", "comparison.json", "history.json", "study.db", "trials.csv"} <= set(told["files"])
    assert "history.png" not in told["files"]
    assert "Without Matplotlib, history.png is not drawn: pip install 'glo-lightning[figures]'." in told["said"]
    assert "pip install 'glo-lightning[frames]'" in told["to_frame"]
    assert (told["train"], told["export"], told["theory"]) == (0, 0, 0)
    training = told["folder"] / "runs" / "train_baikal"
    assert (training / "csv").is_dir()
    assert not (training / "tensorboard").exists()


@pytest.mark.parametrize(("name", "extra"), [(name, extra) for name, (_, extra) in VERBS.items()])
def test_what_needs_an_extra_names_it_before_it_begins(name: str, extra: str, told: dict[str, Any]) -> None:
    code, said = told["refused"][name]
    assert code == 2, said
    assert re.search(rf"none installed. (For PostgreSQL: )?{re.escape(install_command(extra))}\.", said), said
    assert not list((told["folder"] / "refused").iterdir())


def test_an_extra_that_is_there_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_installed("figures")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EnvironmentMismatchError, match=re.escape("matplotlib for figures, got none installed. pip")):
        require_extra("figures", "figures")
    assert not is_installed("dashboard")


def test_the_installation_has_these_extras() -> None:
    distributions = packages_distributions()
    core = closure(setup()["options"]["install_requires"].split())
    for extra, modules in EXTRAS.items():
        listed = closure([f"glo-lightning[{extra}]"])
        for module in modules:
            names = {canonicalize_name(name) for name in distributions.get(module, [])}
            assert not names or names & listed, f"{extra} brings {module}"
            assert not names & core, f"{module} comes with the core"
    everything = setup()["options.extras_require"]["all"].partition("[")[2]
    assert set(re.findall(r"\w+", everything)) == set(EXTRAS)
