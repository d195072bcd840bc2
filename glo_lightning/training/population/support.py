"""Refuse tasks that cannot be trained as a population, before anything trains."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.optim import ASGD, SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, Optimizer, RAdam, RMSprop, Rprop
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from glo_lightning.data.corrupted import tensors_of
from glo_lightning.data.tensor_data import TensorDataModule
from glo_lightning.losses.promises import Promises
from glo_lightning.models.heads import WithHeads
from glo_lightning.models.network_module import NetworkModule
from glo_lightning.training.population.networks import NetworkStack
from glo_lightning.training.population.randomness import refusing_random_numbers
from glo_lightning.training.population.recipe import refuse
from glo_lightning.training.population.scoring import MEASURES

ELEMENTWISE_OPTIMIZERS = (ASGD, SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop, Rprop)
"""Optimizers whose step on a stack of weights is their step on each of them."""

SERVING = ("train_dataloader", "on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
"""Methods of a data module that a population does without."""


def kind_of(model: LightningModule) -> type[NetworkModule]:
    """Return which model of ours it is, :class:`Classifier` or :class:`Regressor`, subclasses included.

    Raises:
        SettingsError: if it is none.
    """
    for kind in MEASURES:
        if isinstance(model, kind):
            return kind
    names = " or ".join(kind.__name__ for kind in MEASURES)
    own = f"{type(model).__module__}.{type(model).__qualname__}"
    refuse(f"only a {names} of glo_lightning.models can be trained many at a time, and the model is a {own}")


def check_model(model: LightningModule, attribute: str, metric: str) -> NetworkModule:
    """Refuse a model that does more than a Classifier or a Regressor does.

    Args:
        model: freshly built.
        attribute: where its loss is replaced.
        metric: what is monitored.

    Returns:
        The model.

    Raises:
        SettingsError: if a population cannot train it; ``got`` says why.
    """
    kind = kind_of(model)
    assert isinstance(model, NetworkModule)
    for name in _own_methods(model):
        refuse(f"the model has a {name} of its own")
    if attribute != "loss_fn":
        refuse(f"the loss is not loss_fn but {attribute}")
    if metric not in MEASURES[kind]:
        refuse(f"the monitor is not {' or '.join(MEASURES[kind])} but {metric}")
    if {id(weight) for weight in model.parameters()} != {id(weight) for weight in model.network.parameters()}:
        refuse("the model has parameters outside its network")
    return model


def check_optimizer(model: NetworkModule, epochs: int) -> None:
    """Refuse an optimizer or a schedule that would train a stack of networks otherwise than each of them.

    Args:
        model: freshly built.
        epochs: of a training.

    Raises:
        SettingsError: if so; ``got`` says why.
    """
    optimizer = model.make_optimizer(model.parameters())
    if type(optimizer) not in ELEMENTWISE_OPTIMIZERS:
        refuse(f"{type(optimizer).__name__} may not treat every weight by itself")
    if len(optimizer.param_groups) > 1:
        refuse("the optimizer has several parameter groups")
    if is_overridden("make_optimizer", model, NetworkModule):
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        stack = [torch.stack([weight.detach()] * 2).requires_grad_() for weight in weights]
        if _choices(model.make_optimizer(stack), stack) != _choices(optimizer, weights):
            refuse("its make_optimizer treats stacked weights, which have a dimension more, otherwise")
    scheduler = model.make_scheduler(optimizer, epochs)
    if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, ReduceLROnPlateau):
        refuse(f"its make_scheduler returns a {type(scheduler).__name__}, no schedule that steps once per epoch")


def check_loss(model: NetworkModule) -> Promises:
    """Refuse a model whose own loss has a value for each sample.

    Returns:
        What losses in its place keep; labels to ignore there are none, the data module has seen to that.

    Raises:
        SettingsError: if so; ``got`` says why.
    """
    promises = Promises.of(model.loss_fn)
    if promises.reduction == "none":
        refuse(f"the model's own loss, {promises.name}, has a value for each sample")
    return promises


def check_data(datamodule: LightningDataModule) -> TensorDataModule:
    """Refuse data that a population cannot serve to itself.

    Returns:
        The data module that holds the tensors.

    Raises:
        SettingsError: if so; ``got`` says why.
    """
    data = tensors_of(datamodule)
    if data is None:
        refuse(f"{type(datamodule).__name__} does not hold its data as tensors in memory")
    kind = type(data)
    for name in SERVING:
        if not getattr(kind, name).__module__.startswith(("glo_lightning.", "lightning.")):
            refuse(f"{kind.__name__} has a {name} of its own")
    return data


def check_network(model: NetworkModule, inputs: Tensor, target: Tensor) -> None:
    """Refuse a network that torch.func cannot compute for several models at once.

    Args:
        model: whose network it is; left as it was.
        inputs: a few examples, shape (N, ...).
        target: of all examples: class indices, or numbers to predict.

    Raises:
        SettingsError: if it cannot; ``got`` has torch's own words, or says that the outputs are no rows of classes or
            that the scores would depend on who else is in the population.
    """
    if isinstance(model.network, WithHeads):
        refuse("the network has auxiliary heads")
    networks = NetworkStack([model.network] * 2, [0, 0], inputs.device)
    # Dropout layers have become such that draw from generators of their own.
    with torch.no_grad(), refusing_random_numbers("the network", inputs.device):
        try:
            for training in (True, False):
                outputs = networks(inputs, shared=True, training=training)
        except (RuntimeError, TypeError, ValueError) as error:
            refuse(f"vmap cannot compute the network: {str(error).strip().splitlines()[0]}")
    if not isinstance(outputs, Tensor) or outputs.ndim != 3:
        refuse("the network's outputs are not of shape (N, C)")
    if target.is_floating_point():
        if outputs.shape[2:] != target.shape[1:]:
            refuse(f"the network has {outputs.shape[-1]} outputs for targets of shape {tuple(target.shape)}")
        return
    num_classes = int(target.max()) + 1
    if outputs.shape[-1] < num_classes:
        refuse(f"the network has {outputs.shape[-1]} outputs for labels of {num_classes} classes")


def _choices(optimizer: Optimizer, weights: Sequence[Tensor]) -> list[tuple[list[int], dict[str, Any]]]:
    """Return which of the weights an optimizer trains, by their places, and how; one entry per group."""
    places = {id(weight): place for place, weight in enumerate(weights)}
    return [
        (
            sorted(places.get(id(weight), -1) for weight in group["params"] if weight.requires_grad),
            {name: value for name, value in group.items() if name != "params"},
        )
        for group in optimizer.param_groups
    ]


def _own_methods(model: NetworkModule) -> list[str]:
    """Return what a subclass, or somebody on the instance, put in the place of a method of our model."""
    own = kind_of(model)
    subclasses = takewhile(lambda kind: kind is not own, type(model).__mro__)
    names = {name for kind in subclasses for name in vars(kind) if not name.startswith("__")}
    names |= {name for name, value in vars(model).items() if callable(value)}
    return sorted(name for name in names - {"make_optimizer", "make_scheduler"} if hasattr(own, name))
