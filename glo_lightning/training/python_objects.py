"""Take the Python objects that a task is made of for what they are, or refuse them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch.utils.data import DataLoader, Dataset

from glo_lightning.checked import Checked, fitted
from glo_lightning.errors import DataError, ModelError, SettingsError
from glo_lightning.training.model_instances import NewModels, StartFrom
from glo_lightning.training.own_trainer import CURE, MakesTrainer, arguments_of

Data = LightningDataModule | type[LightningDataModule] | Sequence[Any] | Mapping[str, Any]
"""A data module, a class of it, or loaders: (train, val) or (train, val, test), as a dict by these names."""

SPLITS = ("train", "val", "test")


class LoadersDataModule(LightningDataModule):
    """Loaders of one's own as a data module.

    Args:
        train: serves training batches.
        val: serves validation batches.
    """

    def __init__(self, train: Any, val: Any) -> None:
        super().__init__()
        self.train, self.val = train, val
        self.save_hyperparameters({"train": _size(train), "val": _size(val)})

    def train_dataloader(self) -> Any:
        """Serve the training loader."""
        return self.train

    def val_dataloader(self) -> Any:
        """Serve the validation loader."""
        return self.val


class TestedLoadersDataModule(LoadersDataModule):
    """The same with a loader to test on.

    Args:
        train: serves training batches.
        val: serves validation batches.
        test: serves test batches.
    """

    def __init__(self, train: Any, val: Any, test: Any) -> None:
        super().__init__(train, val)
        self.test = test

    def test_dataloader(self) -> Any:
        """Serve the test loader."""
        return self.test


def one_of(datamodule: Data | None, loaders: Mapping[str, Any]) -> Data:
    """Return the data module, or the loaders by the names of their splits, whichever was given.

    Raises:
        DataError: if both were, or neither; or loaders to train or to validate on are missing.
    """
    given = {split: loader for split, loader in loaders.items() if loader is not None}
    if (datamodule is None) == (not given):
        raise DataError(
            "a data module, or loaders",
            "both" if given else "neither",
            "Pass datamodule=, or train_dataloaders=, val_dataloaders= and test_dataloaders=.",
        )
    missing = [f"{split}_dataloaders=" for split in ("train", "val") if split not in given]
    if datamodule is None and missing:
        raise DataError(
            "loaders to train and to validate on",
            f"none as {' and '.join(missing)}",
            "Pass both; candidates need them.",
        )
    return given if datamodule is None else datamodule


def take_data(given: Data) -> LightningDataModule:
    """Return a data module of what was given.

    Args:
        given: a data module, a class of it that needs no arguments, or loaders.

    Raises:
        DataError: if it is none of these.
    """
    if isinstance(given, LightningDataModule):
        return given
    if isinstance(given, type) and issubclass(given, LightningDataModule):
        required = required_arguments(given)
        if required:
            raise DataError(
                "a data module",
                f"the class {given.__name__}, which needs {', '.join(required)}",
                f"Build it: {given.__name__}({', '.join(f'{name}=...' for name in required)}).",
            )
        return given()
    if isinstance(given, Mapping) and {"train", "val"} <= given.keys() <= {*SPLITS}:
        given = [given[split] for split in SPLITS if split in given]
    if isinstance(given, list | tuple) and len(given) in (2, 3):
        if not any(isinstance(each, Dataset) for each in given):
            return (LoadersDataModule if len(given) == 2 else TestedLoadersDataModule)(*given)
        raise DataError("loaders", "data sets", "Wrap each in one: DataLoader(data, batch_size=64).")
    raise DataError(
        "a LightningDataModule, or DataLoaders (train, val) or (train, val, test)",
        f"{type(given).__name__}{f' of {len(given)}' if isinstance(given, list | tuple | Mapping) else ''}",
        "Pass the loaders as a tuple, or as a dict by these names.",
    )


Model = Callable[..., LightningModule] | LightningModule
"""A class, a function that returns a new module, or a module that can be built again."""


def take_model(given: Model, start_from: StartFrom = "scratch") -> Callable[..., LightningModule]:
    """Return what builds a model.

    Args:
        given: a LightningModule class, a function that returns a new module, without required arguments, or a module.
        start_from: of a module: whether each training begins from scratch or with its weights.

    Raises:
        ModelError: if it is none of these.
        SettingsError: if ``start_from`` is neither.
    """
    start_from = fitted("start_from", start_from, StartFrom, default="scratch", called=Checked.called)
    if isinstance(given, LightningModule):
        return NewModels(given, start_from)
    if start_from == "weights":
        raise ModelError(
            "a LightningModule, whose weights trainings begin with",
            f"start_from='weights' and a {type(given).__name__}",
            "Pass a model, or leave start_from out and load the weights in what builds it.",
        )
    if isinstance(given, torch.nn.Module) or not callable(given):
        raise ModelError(
            "a LightningModule, a class of it, or a function without arguments that returns a new one",
            f"{'an instance of ' if isinstance(given, torch.nn.Module) else ''}{type(given).__name__}",
            "Classifier of glo_lightning.models makes one of a network: lambda: Classifier(make_network()).",
        )
    required = required_arguments(given)
    if required:
        raise ModelError(
            "a model that can be built without arguments",
            f"required arguments {required}",
            "Pass lambda: MyModel(...) with those arguments filled in.",
        )
    return given


TrainerSource = Mapping[str, Any] | MakesTrainer
"""Keyword arguments of a Trainer, or a function that makes one."""


def take_trainer(given: TrainerSource | None) -> tuple[dict[str, Any], MakesTrainer | None]:
    """Return the keyword arguments of a Trainer, and the function that makes it if there is one.

    Raises:
        SettingsError: if it is neither, a Trainer above all.
    """
    if given is None or isinstance(given, Mapping):
        return dict(given or {}), None
    if callable(given):
        required = required_arguments(given)
        if required:
            raise SettingsError(
                "a function without arguments that makes a Trainer", f"one that needs {', '.join(required)}", CURE
            )
        return arguments_of(given), given
    raise SettingsError(
        "keyword arguments of a Trainer or a function that makes one, because every training gets a Trainer of its own",
        "a Trainer" if isinstance(given, Trainer) else type(given).__name__,
        f"Pass them as a dict: {{'max_epochs': {given.max_epochs if isinstance(given, Trainer) else 3}}}; or pass what "
        "makes it: lambda: Trainer(...).",
    )


def required_arguments(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments without which a function cannot be called."""
    return [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _size(loader: Any) -> str:
    """Describe a loader, in words that are the same in every process."""
    if not isinstance(loader, DataLoader):
        return type(loader).__name__
    size = len(loader.dataset) if hasattr(loader.dataset, "__len__") else "unknown"
    return f"{type(loader.dataset).__name__} of {size} in batches of {loader.batch_size}"
