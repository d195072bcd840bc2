"""Other libraries' private names: each in the one file that is for it, and there as that file expects it."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import optuna
import pytest

PACKAGE = Path(__file__).parent.parent / "glo_lightning"

CHECKED = {"optuna": "5.0.0", "cmaes": "0.13.1", "lightning": "2.6.6", "torch": "2.14.1"}
"""The versions whose private names the files below were written for."""

PLACES: dict[str, dict[str, set[str]]] = {
    "optuna": {
        "search/samplers/optuna_adapter.py": {
            "_storage",
            "_study_id",
            "_trial_id",
            "_frozen",
            "_constrained_optimization",
            "_CONSTRAINTS_KEY",
        },
        "search/storage/database.py": {
            "_trial_id",
            "_cached_storage",
            "_CachedStorage",
            "_StudyInfo",
            "_rdb",
            "_add_trials_to_cache",
        },
        "search/storage/population_journal.py": {
            "_thread_lock",
            "_replay_result",
            "_last_created_trial_id_by_this_process",
        },
        "search/storage/journal_file.py": {"_log_number_offset"},
    },
    "cmaes": {"search/engines/cma.py": {"_sigma"}},
    "lightning": {
        "training/placement.py": {"_SubprocessScriptLauncher"},
        "train/seeded_epochs.py": {"_resuming_from_checkpoint"},
        "cli/task_cli.py": {"_dump_config", "_add_configure_optimizers_method_to_model"},
    },
    "torch": {
        "losses/taylor.py": {"_C", "_are_functorch_transforms_active", "_version"},
        "losses/drive.py": {"_C", "_are_functorch_transforms_active", "_version"},
        "training/population/layers.py": {"_forward_hooks", "_forward_pre_hooks"},
        "losses/promises.py": {"_modules"},
        "callbacks/compiled.py": {"_C", "_dynamo"},
    },
}

PUBLIC = {"_asdict", "_replace", "_fields", "_exit"}
"""Documented, in spite of their underscore."""

NAMESAKES = {"_storage", "_study_id", "_trial_id"}
"""Attributes of our own classes that Optuna's have, too: whose they are shows in what stands before the dot."""


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _trees() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def _own_names(trees: dict[str, ast.Module]) -> set[str]:
    """Every name that the package itself defines or assigns."""
    names = set()
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node):
                names.add(node.attr)
    return names


def _is_self(attribute: ast.Attribute) -> bool:
    return isinstance(attribute.value, ast.Name) and attribute.value.id in ("self", "cls")


def _foreign(tree: ast.Module, own: set[str]) -> set[str]:
    """The private names in a file that cannot be the package's own."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            if node.attr not in own or (node.attr in NAMESAKES and not _is_self(node)):
                found.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            if not node.module.startswith("glo_lightning"):
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                found.update(filter(_is_private, names))
    return found - PUBLIC


def test_private_names_of_others_are_in_their_files_alone() -> None:
    trees = _trees()
    own = _own_names(trees)
    found = {file: names for file, tree in trees.items() if (names := _foreign(tree, own))}
    allowed = {file: names for files in PLACES.values() for file, names in files.items()}
    assert found == allowed


@contextmanager
def _held(library: str, file: str) -> Iterator[None]:
    """Say which file to look at if a library is not what it was."""
    assert file in PLACES[library]
    try:
        yield
    except Exception as error:
        pytest.fail(
            f"{library} {version(library)} is not what glo_lightning/{file} was written for, {CHECKED[library]}: "
            f"{type(error).__name__}: {error}. Adapt that file, and then the version in {Path(__file__).name}."
        )


def test_optuna_is_what_its_adapter_was_checked_with() -> None:
    with _held("optuna", "search/samplers/optuna_adapter.py"):
        from glo_lightning.search.samplers import optuna_adapter as adapter

        storage = optuna.storages.InMemoryStorage()
        optuna.create_study(storage=storage, study_name="another").ask()
        study = optuna.create_study(storage=storage, study_name="mine")
        assert adapter.storage_of(study) is storage
        study_id = storage.get_study_id_from_name("mine")
        assert adapter.id_of_study(study) == study_id
        frozen = storage.get_all_studies()[1]
        assert type(frozen) is adapter.FrozenStudy
        assert adapter.id_of_study(frozen) == study_id

        trial = study.ask()
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
        assert trial_id != trial.number
        assert adapter.id_of_trial(trial) == adapter.id_of_trial(study.trials[0]) == trial_id
        assert adapter.freeze(trial).number == adapter.freeze(study.trials[0]).number == trial.number
        study.enqueue_trial({"x": 0.5})
        assert [adapter.is_enqueued(adapter.freeze(each)) for each in (trial, study.ask())] == [False, True]

        store = adapter.TrialStore(study)
        (frozen,) = store.create([adapter.running_trial({}, {}, {"seen": 1}, {"unseen": 2})])
        created = adapter.id_of_trial(frozen)
        assert (frozen.number, study.trials[2].state.name) == (2, "RUNNING")
        store.set_user_attr(created, "seen", 3)
        store.set_system_attr(created, "unseen", 4)
        assert (study.trials[2].user_attrs, study.trials[2].system_attrs) == ({"seen": 3}, {"unseen": 4})
        study.tell(adapter.open_trial(study, frozen), 1.0)
        assert [each.state.name for each in store.read()] == ["RUNNING", "RUNNING", "COMPLETE"]
        store.fail(adapter.id_of_trial(trial))
        assert store.read()[0].state.name == "FAIL"
        store.set_study_attr("name", {"a": 1})
        assert (store.study_attr("name"), store.study_attr("other")) == ({"a": 1}, None)


def test_cmaes_is_what_its_engine_was_checked_with() -> None:
    import numpy as np

    with _held("cmaes", "search/engines/cma.py"):
        from glo_lightning.search.engines.cma import CmaEngine

        assert CmaEngine(np.zeros(2), sigma=0.7, population_size=4, seed=0).sigma == 0.7


def test_lightning_is_what_its_files_were_checked_with() -> None:
    with _held("lightning", "cli/task_cli.py"):
        from lightning.pytorch.cli import LightningCLI

        for name in PLACES["lightning"]["cli/task_cli.py"]:
            assert callable(getattr(LightningCLI, name))
    with _held("lightning", "training/placement.py"):
        from lightning.pytorch import Trainer

        from glo_lightning.training.placement import _SubprocessScriptLauncher

        trainer = Trainer(accelerator="cpu", devices=2, strategy="ddp", logger=False, enable_progress_bar=False)
        trainer.strategy._configure_launcher()
        assert isinstance(trainer.strategy.launcher, _SubprocessScriptLauncher)


def test_torch_is_what_its_files_were_checked_with() -> None:
    import torch

    with _held("torch", "losses/taylor.py"):
        assert not torch._C._are_functorch_transforms_active()
        assert torch.func.vmap(lambda x: x + torch._C._are_functorch_transforms_active())(torch.zeros(1)).item() == 1.0
        tensor = torch.zeros(2)
        before = tensor._version
        assert tensor.add_(1.0)._version > before
    with _held("torch", "training/population/layers.py"):
        layer = torch.nn.Linear(1, 1)
        assert not layer._forward_hooks
        assert not layer._forward_pre_hooks
        layer.register_forward_hook(lambda *_: None)
        layer.register_forward_pre_hook(lambda *_: None)
        assert len(layer._forward_hooks) == len(layer._forward_pre_hooks) == 1
    with _held("torch", "callbacks/compiled.py"):
        from torch._C._dynamo.eval_frame import reset_code
        from torch._dynamo import convert_frame

        assert callable(reset_code)
        assert all(reference() is None or reference().co_filename for reference in convert_frame.input_codes.seen)
    with _held("torch", "losses/promises.py"):
        assert list(torch.nn.Sequential(layer)._modules.values()) == [layer]
