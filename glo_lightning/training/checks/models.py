"""Refuse to train the same weights again and again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from glo_lightning.errors import ModelError
from glo_lightning.training.model_instances import has_numbers
from glo_lightning.training.task import Task
from glo_lightning.training.traces import random_numbers_kept

NUMBERS = 10_000
"""How many numbers of a tensor are looked at, spread evenly."""


@dataclass(frozen=True)
class FrozenParts:
    """What all models of a task share, because a function builds them around it; no training may change it.

    Args:
        model: a model that was never trained.
        before: some numbers of the parameters and buffers that it shares with others, by their names.
    """

    model: LightningModule | None = None
    before: Mapping[str, Tensor] = field(default_factory=dict)

    def require_unchanged(self) -> None:
        """Refuse shared parts that are not as they were before another model trained on a batch.

        Raises:
            ModelError: if one has changed, as statistics of a batch normalisation do.
        """
        now = {} if self.model is None else _tensors(self.model)
        # A precision of the Trainer's may have converted them, once for all models.
        changed = [name for name, old in self.before.items() if _differ(old.to(now[name].dtype), _some(now[name]))]
        if changed:
            raise ModelError(
                "models that share nothing that changes as they train",
                f"models that share {changed[0]}, which the first batch has changed",
                "Build all of the model in the function: lambda: MyModel(make_backbone()); or give each model a copy: "
                "lambda: MyModel(copy.deepcopy(backbone)).",
            )


def require_fresh_models(task: Task) -> FrozenParts:
    """Refuse a task whose models share weights: each would go on where another candidate's training ended.

    Args:
        task: two of whose models are built.

    Returns:
        What they share without training it, a frozen backbone for one; ask it once a model has trained.

    Raises:
        ModelError: if the models are the same, or have trainable parameters in common.
    """
    with random_numbers_kept():
        first, second = task.build_model(), task.build_model()
    places = {_place(tensor) for tensor in _tensors(first).values()}
    shared = {name: tensor for name, tensor in _tensors(second).items() if _place(tensor) in places}
    trained = [name for name, tensor in shared.items() if tensor.requires_grad]
    if first is second or trained:
        raise ModelError(
            "a function that returns a new model whenever it is called",
            "the same model again" if first is second else f"models that share weights, {trained[0]} for one",
            "Build all of the model in the function: lambda: MyModel(make_network()), not network = make_network() "
            "before it.",
        )
    if not shared:
        return FrozenParts()
    return FrozenParts(second, {name: _some(tensor).clone() for name, tensor in shared.items() if has_numbers(tensor)})


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers by their names."""
    return dict(chain(model.named_parameters(), model.named_buffers()))


def _place(tensor: Tensor) -> int:
    """Say where a tensor has its numbers, which it may share with other tensors."""
    try:
        return tensor.untyped_storage().data_ptr() or id(tensor)
    except (RuntimeError, ValueError):  # it has none yet, or several
        return id(tensor)


def _some(tensor: Tensor) -> Tensor:
    numbers = tensor.detach().flatten()
    return numbers[:: 1 + len(numbers) // NUMBERS].cpu().contiguous()


def _differ(one: Tensor, other: Tensor) -> bool:
    """Compare bit by bit: not a number equals itself."""
    return not torch.equal(one.view(torch.uint8), other.view(torch.uint8))
