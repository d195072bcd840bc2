"""Whether a training may go on from what another one left in its folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch

from glo_lightning.errors import ModelError, SettingsError
from glo_lightning.files import check_archive, writable_folder, write_whole
from glo_lightning.losses import Loss
from glo_lightning.options import option
from glo_lightning.train.settings import TrainSettings
from glo_lightning.training.task import Task
from glo_lightning.words import place

MAY_CHANGE = frozenset(
    {
        "max_epochs", "min_epochs", "max_steps", "min_steps", "max_time",
        "accelerator", "devices", "num_nodes", "strategy",
        "logger", "log_every_n_steps", "default_root_dir", "enable_checkpointing", "enable_progress_bar",
        "enable_model_summary", "enable_autolog_hparams", "model_registry", "num_sanity_val_steps", "profiler",
        "detect_anomaly", "barebones",
    }
)  # fmt: skip
"""Trainer options that a training may go on with other values of: its length, its place, and what one sees of it."""


def what_learns(task: Task, loss: Loss, settings: TrainSettings) -> dict[str, Any]:
    """Return, as JSON values, what the checkpoints of a training depend on."""
    trainer = {name: value for name, value in task.description["trainer"].items() if name not in MAY_CHANGE}
    return {
        "loss": loss.to_dict(),
        "seed": settings.seed,
        "outputs": settings.outputs,
        "loss_attribute": settings.loss_attribute,
        **task.description,
        "trainer": trainer,
    }


def claim(folder: Path, identity: Mapping[str, Any], resume: bool) -> None:
    """Make a folder one training's own.

    Args:
        folder: created if it is not there.
        identity: what :func:`what_learns` returned.
        resume: whether to go on from what is there; otherwise its checkpoints are removed.

    Raises:
        SettingsError: if it cannot be written to, or holds another training that shall not be replaced.
    """
    mark, text = folder / "training.json", json.dumps(identity, indent=2, sort_keys=True) + "\n"
    writable_folder(folder)
    if not resume:
        for checkpoint in folder.glob("*.ckpt"):
            checkpoint.unlink()
    elif (folder / "last.ckpt").exists() and mark.exists():
        differences = _differences(_recorded(mark), json.loads(text))
        if differences:
            raise SettingsError(
                f"no other training in {place(folder)!r}",
                f"one with {shorten('; '.join(differences), 300)}",
                f"Choose another {option('name')}, or replace that training with {option('resume', False)}.",
            )
    write_whole(mark, text)


def require_resumable(last: Path, epochs: int) -> None:
    """Refuse a checkpoint that no training can go on from.

    Args:
        last: the checkpoint; nothing in it is executed.
        epochs: length of the training; -1 for no end.

    Raises:
        SettingsError: if it cannot be read, or is of a later epoch.
        ModelError: if it is of a training that diverged.
    """
    done, state = _read(last)
    if 0 <= epochs < done:
        raise SettingsError(
            f"a training of {done} epochs or more, which {place(last)!r} has behind it",
            str(epochs),
            f"Use {option('epochs', done)} or more, or start anew with {option('resume', False)}.",
        )
    # Masks may hold infinities; NaN has no use.
    if any(value.isnan().any() for value in state.values() if isinstance(value, torch.Tensor)):
        raise ModelError(
            "a checkpoint without NaN among its weights",
            f"{place(last)!r}, whose training diverged",
            f"Lower the learning rate, or choose another loss, and start anew with {option('resume', False)}.",
        )


def _read(last: Path) -> tuple[int, dict[str, Any]]:
    """Return how many epochs a checkpoint has begun, and its weights."""
    try:
        check_archive(last)
        content = torch.load(last, map_location="cpu", weights_only=True)
        return int(content["epoch"]) + 1, dict(content["state_dict"])
    except Exception as error:  # damaged files raise errors of many kinds
        raise SettingsError(
            "a checkpoint that can be read",
            f"{place(last)!r}, which cannot ({type(error).__name__})",
            f"Start anew with {option('resume', False)}.",
        ) from None


def _recorded(mark: Path) -> dict[str, Any]:
    """Return what a training recorded; a spoilt record is of no training that could go on."""
    try:
        return dict(json.loads(mark.read_text()))
    except (ValueError, TypeError):
        return {"trainer": {}}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    # Earlier versions recorded fewer sections, and never the Trainer.
    sections = before.keys() | now.keys() if "trainer" in before else before.keys()
    old, new = (_flat({name: values[name] for name in sections & values.keys()}) for values in (before, now))
    return [
        f"{name}={json.dumps(old.get(name))} instead of {json.dumps(new.get(name))}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by their dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
