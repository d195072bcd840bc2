"""What is judged: trained models from their checkpoints, and the images to judge them on."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset

from glo_lightning.attacks import examples_of
from glo_lightning.checkpoints.settings import CheckpointSettings
from glo_lightning.errors import DataError, ModelError, SettingsError
from glo_lightning.files import check_archive
from glo_lightning.training.task import Task, quiet_lightning


@dataclass(frozen=True)
class Subjects:
    """Models and images, on the device of the task's Trainer.

    Args:
        models: by name, in evaluation mode.
        files: by name, their checkpoints.
        batches: normalised inputs (N, ...) and class indices, (N,) or one per position.
    """

    models: Mapping[str, LightningModule]
    files: Mapping[str, Path]
    batches: Sequence[tuple[Tensor, Tensor]]

    @property
    def num_images(self) -> int:
        """How many images there are."""
        return sum(len(target) for _, target in self.batches)


def gather(task: Task, settings: CheckpointSettings) -> Subjects:
    """Load the checkpoints and draw the images.

    Args:
        task: the model, the data and the Trainer, whose device is used.
        settings: which checkpoints and images.

    Returns:
        What is judged.

    Raises:
        GloError: if a checkpoint is missing or of another model, or the data cannot be drawn from.
    """
    if not settings.checkpoints:
        raise SettingsError(
            "at least one checkpoint", "none", "Train with python -m glo_lightning.train, then pass --checkpoints FILE."
        )
    files = name_checkpoints(settings.checkpoints)
    with quiet_lightning():
        device = task.build_trainer([], {}).strategy.root_device
        models = {name: load_checkpoint(task, file).to(device).eval() for name, file in files.items()}
        drawn = draw_images(task.datamodule, settings.split, settings.num_images, settings.seed)
        batches = [(inputs.to(device), target.to(device)) for inputs, target in drawn]
        for model in models.values():
            _require_classes(model, batches[0][0][:2])
    return Subjects(models, files, batches)


def _require_classes(model: LightningModule, inputs: Tensor) -> None:
    with torch.no_grad():
        logits = model(inputs)
    if not isinstance(logits, Tensor) or logits.ndim < 2 or logits.shape[1] < 2:
        got = f"outputs of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(
            "a model that tells classes apart by logits of shape (N, C, ...) with C >= 2",
            f"a {type(model).__name__} with {got} for {len(inputs)} inputs",
            "Models of sigmoid outputs are compared by their test metrics: python -m glo_lightning.compare.",
        )


def name_checkpoints(files: Sequence[str]) -> dict[str, Path]:
    """Call each checkpoint like its folder, or else like its file, whichever tells them apart.

    Example:
        >>> list(name_checkpoints(["runs/mine/last.ckpt", "runs/baikal/last.ckpt"]))
        ['mine', 'baikal']
        >>> list(name_checkpoints(["runs/mine/last.ckpt", "runs/mine/best.ckpt"]))
        ['last', 'best']
    """
    paths = [Path(file) for file in dict.fromkeys(files)]
    by_folder = [path.resolve().parent.name for path in paths]
    by_file = [path.stem for path in paths]
    for names in (by_folder, by_file):
        if len(set(names)) == len(paths):
            return dict(zip(names, paths, strict=True))
    return {str(path): path for path in paths}


def load_checkpoint(task: Task, file: Path) -> LightningModule:
    """Build the task's model and give it the weights of a checkpoint; nothing in the file is executed.

    Args:
        task: whose model it is.
        file: written by a Lightning Trainer, or by ``torch.save(model.state_dict(), file)``.

    Returns:
        The model.

    Raises:
        SettingsError: if the file is missing or no checkpoint.
        ModelError: if it holds the weights of another model or of a training that diverged, or the model has no
            ``forward``.
    """
    state = _read_weights(file)
    model = task.build_model()
    if not is_overridden("forward", model, LightningModule):
        raise ModelError(
            "a LightningModule whose forward returns the logits of its inputs",
            f"a {type(model).__name__} without a forward",
            "Define forward(self, inputs).",
        )
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        reasons = " ".join(str(error).split("\n", 1)[-1].split())
        raise ModelError(
            f"a checkpoint of the {type(model).__name__} that the command line describes",
            f"{str(file)!r}, which does not fit ({textwrap.shorten(reasons, 240)})",
            "Pass the --config and the --model options that it was trained with.",
        ) from None
    if not all(value.isfinite().all() for value in state.values()):
        raise ModelError(
            "finite weights", f"{str(file)!r}, which has others", "The training diverged: choose another checkpoint."
        )
    return model


def draw_images(
    datamodule: LightningDataModule, split: Literal["test", "val"], num_images: int, seed: int
) -> list[tuple[Tensor, Tensor]]:
    """Draw images from the loader of a split, as the network gets them there.

    Args:
        datamodule: its loader must serve (inputs, class indices) from a data set with indices.
        split: ``"test"`` or ``"val"``.
        num_images: how many; all if there are no more.
        seed: of the draw.

    Returns:
        Batches of inputs (N, ...) and class indices, (N,) or one per position, on the CPU.

    Raises:
        DataError: if it cannot be drawn from.
    """
    datamodule.prepare_data()
    datamodule.setup("test" if split == "test" else "fit")
    loader: Any = getattr(datamodule, f"{split}_dataloader")()
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        raise DataError(
            f"one {split} DataLoader over a data set with indices",
            type(loader.dataset if isinstance(loader, DataLoader) else loader).__name__,
            "Serve the images by such a DataLoader.",
        )
    size = len(loader.dataset)  # type: ignore[arg-type]
    index = torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:num_images].sort().values
    drawn = Subset(loader.dataset, index.tolist())
    return [examples_of(batch) for batch in DataLoader(drawn, loader.batch_size or 64, collate_fn=loader.collate_fn)]


def _read_weights(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise SettingsError(
            "a checkpoint's file", f"{str(file)!r}, which is none", "Check the path; a training leaves last.ckpt."
        )
    try:
        check_archive(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise errors of many kinds
        reason = str(error) if isinstance(error, ValueError) else type(error).__name__  # torch's own are long
        raise SettingsError(
            "a checkpoint of tensors and plain values",
            f"{str(file)!r}, which is none, or holds objects of other kinds ({reason})",
            "Pass what a Trainer or torch.save(model.state_dict(), FILE) saved; hyperparameters must be plain values.",
        ) from None
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items())
    ):
        raise SettingsError(
            "a checkpoint with a state_dict", f"{str(file)!r}, which has none", "Pass what a Trainer saved."
        )
    return dict(state)
