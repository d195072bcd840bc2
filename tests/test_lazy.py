"""The doors of the package: what they promise is there, and opening one loads nothing else."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from glo_lightning.lazy import lazy_names

DOORS = ["", ".callbacks", ".data", ".losses", ".models", ".search"]


@pytest.mark.parametrize("door", DOORS)
def test_every_name_on_a_door_is_behind_it(door: str) -> None:
    package = import_module(f"glo_lightning{door}")
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert not isinstance(getattr(package, name), ModuleType), f"a module hides {name}"


def test_opening_a_door_loads_neither_torch_nor_optuna() -> None:
    script = """
import sys
import glo_lightning, glo_lightning.callbacks, glo_lightning.data, glo_lightning.losses, glo_lightning.search
print(sorted({"torch", "lightning", "optuna", "numpy", "sympy"} & sys.modules.keys()))
from glo_lightning import GenerationalCmaEsSampler, LossInjection, LossSearch, load_loss
from glo_lightning.search.samplers import GenerationalCmaEsSampler as same
print(same is GenerationalCmaEsSampler, LossSearch.__name__, LossInjection.__name__, load_loss.__name__)
"""
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert output.splitlines() == ["[]", "True LossSearch LossInjection load_loss"]


def test_reading_a_search_loads_nothing_that_trains_or_draws() -> None:
    script = """
import sys
import glo_lightning.report.page, glo_lightning.search.records.read, glo_lightning.search.records.result
print(sorted({"lightning", "torchmetrics", "torchvision", "pandas", "matplotlib", "sympy"} & sys.modules.keys()))
"""
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert output.splitlines() == ["[]"]


AFTER = """
import sys
from glo_lightning.cli.main import main
for command in {commands!r}:
    assert main(command) == 0
print("loaded", sorted({absent!r} & sys.modules.keys()))
"""

TRAINS = {"lightning", "torchmetrics", "torchvision", "sklearn", "pandas", "cmaes", "torch._dynamo", "jsonargparse"}
STUDIES = {"optuna", "sqlalchemy", "scipy", "matplotlib", *TRAINS} - {"torch._dynamo"}  # which torch.func imports
SHOWS = {"optuna_dashboard", "jinja2", "plotly", "tensorboard", "torch.utils.tensorboard", "grpc", "ray", "onnx"}
SMALL = "--search.generations=1 --search.population_size=4 --search.comparison_seeds=0 --search.finalist_seeds=1"


def loaded_after(folder: Path, absent: set[str], *commands: str) -> str:
    """Say which of some modules a process has loaded after commands."""
    script = AFTER.format(commands=[command.split() for command in commands], absent=absent)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_verbs_load_what_they_need_and_no_more(tmp_path: Path) -> None:
    search = f"search {SMALL} --trainer.max_epochs=1 --trainer.accelerator=cpu"
    assert loaded_after(tmp_path, SHOWS, search) == "loaded []"
    assert loaded_after(tmp_path, TRAINS, "report runs/search") == "loaded []"
    assert loaded_after(tmp_path, STUDIES, "export baikal", "theory baikal mse") == "loaded []"


def test_an_unknown_name_is_an_attribute_error_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'LossSerch'"):
        import_module("glo_lightning.search").LossSerch  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name"):
        from glo_lightning import LossSerch  # type: ignore[attr-defined]  # noqa: F401


def test_what_comes_before_may_refuse() -> None:
    def refuse() -> None:
        raise RuntimeError("not on this machine")

    getattribute, listing = lazy_names("glo_lightning", {"errors": ["GloError"]}, before=refuse)
    assert "GloError" in listing()
    with pytest.raises(RuntimeError, match="not on this machine"):
        getattribute("GloError")
