"""The package for OptunaHub: loaded as its registry is, and described as it asks for."""

import inspect
import re
from pathlib import Path

import optuna
import optunahub
import pytest
import yaml

from glo_lightning import GenerationalCmaEsSampler

REGISTRY = Path(__file__).parents[1] / "configs" / "optunahub"
README = (REGISTRY / "samplers" / "generational_cmaes" / "README.md").read_text()


def test_the_module_is_our_sampler() -> None:
    module = optunahub.load_local_module("samplers/generational_cmaes", registry_root=str(REGISTRY))
    assert module.GenerationalCmaEsSampler is GenerationalCmaEsSampler


def test_the_readme_describes_it() -> None:
    _, front, text = README.split("---\n", 2)
    described = yaml.safe_load(front)
    assert set(described) == {"author", "title", "description", "tags", "optuna_versions", "license"}
    assert "sampler" in described["tags"]
    arguments = list(inspect.signature(GenerationalCmaEsSampler).parameters)
    shown = re.search(r"`GenerationalCmaEsSampler\((.*?)\)`", text, re.DOTALL)
    assert shown is not None
    assert re.findall(r"(\w+)(?:=[^,]+)?", shown[1].replace("*, ", "")) == arguments


def test_the_example_finds_the_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        optunahub, "load_module", lambda name: optunahub.load_local_module(name, registry_root=str(REGISTRY))
    )
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    scope: dict[str, optuna.Study] = {}
    exec(code, scope)
    assert scope["study"].best_value < 1e-2
