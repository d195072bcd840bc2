"""A model, its data and its Trainer, built afresh for every training."""

import copy
import functools
import inspect
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.compile import from_compiled

from glo_lightning.errors import ModelError, SettingsError
from glo_lightning.hyperparameters import Hyperparameters
from glo_lightning.training.model_instances import StartFrom, weights_digest
from glo_lightning.training.own_trainer import MakesTrainer, made_by
from glo_lightning.training.python_objects import Data, Model, TrainerSource, take_data, take_model, take_trainer

LEAN_TRAINER: Mapping[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "devices": 1,
}
"""Trainer arguments that switch off what hundreds of short trainings do not need, more devices than one included."""


class ModelBuilder(Protocol):
    """Builds a new LightningModule."""

    def __call__(self, hyperparameters: Hyperparameters | None = None) -> LightningModule:
        """Build it with some hyperparameters other than they are configured."""
        ...


def _none_configured(name: str) -> Any:
    raise SettingsError("a task whose hyperparameters are known", name, "Use python_task.")


@dataclass(frozen=True)
class Task:
    """Everything a training needs but its loss.

    Args:
        build_model: returns a new LightningModule; called after seeding, once per training.
        datamodule: built once and shared by all trainings; its ``setup`` must be repeatable.
        build_trainer: takes extra callbacks and Trainer arguments that override the user's.
        description: JSON values that tell one task from another, kept with a study.
        rebuild: makes the task again in another process, to which it can be sent; None if that is impossible.
        configured: returns the value that a hyperparameter has unless ``build_model`` is told another; raises a
            SettingsError if there is none of that name.
    """

    build_model: ModelBuilder
    datamodule: LightningDataModule
    build_trainer: Callable[[Sequence[Callback], Mapping[str, Any]], Trainer]
    description: Mapping[str, Any] = field(default_factory=dict)
    rebuild: "Callable[[], Task] | None" = None
    configured: Callable[[str], Any] = _none_configured


def python_task(
    model: Model,
    datamodule: Data,
    trainer: TrainerSource | None = None,
    start_from: StartFrom = "scratch",
) -> Task:
    """Make a task from Python objects.

    Args:
        model: a LightningModule class, or any function that returns a new module and can be called without arguments.
            Arguments that it has all the same are hyperparameters: ``learning_rate`` is ``"model.learning_rate"``.
            A module is built again for every training, if it keeps its arguments by ``save_hyperparameters``.
        datamodule: the data, shared by all trainings: a data module, a class that needs no arguments, or loaders
            (train, val) or (train, val, test), also as a dict by these names.
        trainer: keyword arguments of ``lightning.Trainer``, e.g. ``{"max_epochs": 3}``; or a function without arguments
            that makes a new Trainer, e.g. ``lambda: Trainer(max_epochs=3)``.
        start_from: of a module: scratch, or weights to fine-tune those that it has in every training.

    Returns:
        A task whose Trainer has loggers, checkpoints, progress bar, model summary and sanity check off and one device,
        unless asked for others; callbacks of ours stand before its own. Every training gets copies of the arguments, or
        what the function makes for it, and copies of what that gives to all alike.

    Raises:
        DataError: if ``datamodule`` is none of these.
        ModelError: if ``model`` cannot be built again, or needs arguments.
        SettingsError: if ``trainer`` is a Trainer rather than its arguments, or a function that makes none.
    """
    data, builder = take_data(datamodule), take_model(model, start_from)
    own, make = take_trainer(trainer)
    given = _set(own)
    return Task(
        build_model=functools.partial(_build_model, builder),
        datamodule=data,
        build_trainer=functools.partial(_build_trainer, given, make),
        description={
            "data": _in_words(data),
            **_start(model, start_from),
            "trainer": {name: _in_words(value) for name, value in sorted(given.items()) if _differs(name, value)},
        },
        rebuild=functools.partial(python_task, model, datamodule, trainer, start_from),
        configured=functools.partial(_default_argument, builder),
    )


def _start(model: Model, start_from: StartFrom) -> dict[str, str]:
    """Say what trainings start from, if not from scratch."""
    if start_from == "scratch" or not isinstance(model, LightningModule):
        return {}
    return {"start_from": start_from, "weights": weights_digest(model)}


def _build_model(
    model: Callable[..., LightningModule], hyperparameters: Hyperparameters | None = None
) -> LightningModule:
    built: Any = model(**{name.removeprefix("model."): value for name, value in (hyperparameters or {}).items()})
    if hasattr(built, "_orig_mod"):  # of torch.compile, as Trainer.fit takes it, too
        built = from_compiled(built)
    if not isinstance(built, LightningModule):
        raise ModelError(
            "a function that returns a LightningModule",
            f"one that returns a {type(built).__name__}",
            "Classifier of glo_lightning.models makes one of a network: lambda: Classifier(make_network()).",
        )
    return built


def _default_argument(model: Callable[..., LightningModule], name: str) -> Any:
    arguments = {f"model.{argument.name}": argument for argument in inspect.signature(model).parameters.values()}
    if name not in arguments or arguments[name].default is inspect.Parameter.empty:
        raise SettingsError(
            f"a hyperparameter out of {', '.join(arguments) or 'those of the model, which takes no arguments'}",
            repr(name),
            "Pass a model that takes it as an argument with a default, as in def make_model(learning_rate=0.1).",
        )
    return arguments[name].default


def _differs(name: str, value: Any) -> bool:
    """Whether an argument of the Trainer has another value than it has when it is left out."""
    argument = inspect.signature(Trainer).parameters.get(name)
    return argument is None or not (argument.default is value or repr(argument.default) == repr(value))


def _in_words(value: Any) -> str:
    """Write an argument in words that are the same in every process."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_in_words, value))}]"
    if isinstance(value, LightningDataModule):
        return type(value).__qualname__ + _in_brackets(value.hparams)
    if " at 0x" not in repr(value):
        return repr(value)
    public = {name: each for name, each in sorted(getattr(value, "__dict__", {}).items()) if not name.startswith("_")}
    plain = {name: each for name, each in public.items() if isinstance(each, str | int | float | None)}
    return type(value).__qualname__ + _in_brackets(plain)


def _in_brackets(arguments: Mapping[str, Any]) -> str:
    return f"({', '.join(f'{name}={_in_words(value)}' for name, value in arguments.items())})" if arguments else ""


def _set(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is None, which means not set, as null does in a configuration file."""
    return {name: value for name, value in arguments.items() if value is not None or name not in LEAN_TRAINER}


def _build_trainer(
    given: Mapping[str, Any],
    make: MakesTrainer | None,
    callbacks: Sequence[Callback],
    overrides: Mapping[str, Any],
) -> Trainer:
    if make is None:
        trainer = Trainer(**_lean(overrides, {name: copied(name, value) for name, value in given.items()}))
    else:
        trainer = made_by(make, lambda own: _lean(overrides, {name: _own(given, name, own[name]) for name in own}))
        if trainer.max_epochs != overrides.get("max_epochs", trainer.max_epochs):
            raise SettingsError(
                "a Trainer whose max_epochs is an argument, for some trainings are longer than others",
                f"one whose max_epochs is set to {trainer.max_epochs} when it is built",
                "Write Trainer(max_epochs=...) in the function that makes it.",
            )
    return with_callbacks(trainer, callbacks)


def _lean(overrides: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all arguments of a Trainer: those that somebody gave it, and what we make of the others."""
    merged = {**LEAN_TRAINER, **_set(given), **overrides}
    own = merged.get("callbacks") or []
    own = [own] if isinstance(own, Callback) else own
    merged["enable_checkpointing"] = merged["enable_checkpointing"] or saves_checkpoints(own)
    merged["callbacks"] = [*own]
    return merged


def with_callbacks(trainer: Trainer, callbacks: Sequence[Callback]) -> Trainer:
    """Put callbacks of ours before those of the user, who wants to see what they do to a training."""
    callbacks_of(trainer)[:0] = callbacks
    return trainer


def callbacks_of(trainer: Trainer) -> list[Callback]:
    """Return the callbacks of a Trainer, to be changed in place."""
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return callbacks


def _own(first: Mapping[str, Any], name: str, value: Any) -> Any:
    """Copy what a function gives to more than one Trainer; what it makes anew need not be such as can be copied."""
    if value is first.get(name):
        return copied(name, value)
    if not isinstance(value, list | tuple):
        return value
    before = first.get(name)
    shared = {id(each) for each in before} if isinstance(before, list | tuple) else {id(before)}
    return [copied(name, each) if id(each) in shared else each for each in value]


def copied(name: str, value: Any) -> Any:
    """Copy a Trainer's argument: callbacks and loggers remember, and a training must know nothing of those before."""
    try:
        return copy.deepcopy(value)
    except Exception as error:
        raise SettingsError(
            f"{name} of the Trainer that can be copied, one for each training",
            f"{value!r} ({error})",
            "Build them within a function that makes the Trainer, lambda: Trainer(callbacks=[MyCallback()]); or let "
            "them open files and connections in setup, not in __init__.",
        ) from error


def saves_checkpoints(callbacks: Sequence[Callback]) -> bool:
    """Whether a callback among them saves checkpoints, which Lightning wants to be enabled."""
    return any(isinstance(callback, Checkpoint) for callback in callbacks)


def max_epochs(task: Task) -> int:
    """Return the epochs of a training as the user's Trainer has them.

    Raises:
        SettingsError: if steps or nothing end a training, so that none can be made longer; or if none is validated.
    """
    with quiet_lightning():
        trainer = task.build_trainer([], {})
    if trainer.fast_dev_run:  # type: ignore[attr-defined]
        raise SettingsError(
            "a Trainer without fast_dev_run",
            "one with",
            "Use limit_train_batches=1, limit_val_batches=1, max_epochs=1.",
        )
    if trainer.max_steps != -1 or trainer.max_epochs == -1:
        raise SettingsError(
            "a Trainer whose trainings end after max_epochs",
            f"max_steps={trainer.max_steps}" if trainer.max_steps != -1 else "max_epochs=-1",
            "Set max_epochs alone; for less than the data of an epoch, limit_train_batches.",
        )
    epochs = trainer.max_epochs or 1
    if (trainer.check_val_every_n_epoch or 1) > epochs:
        raise SettingsError(
            f"a validation within the {epochs} epochs of a training",
            f"check_val_every_n_epoch={trainer.check_val_every_n_epoch}",
            "Lower check_val_every_n_epoch, or raise max_epochs.",
        )
    return epochs


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence what Lightning and callbacks say once per Trainer, which a search would repeat hundreds of times."""
    names = ("lightning.pytorch", "lightning.fabric", "glo_lightning.callbacks")
    # To set a level takes a millisecond, because all loggers forget theirs; inside another silence there is no need.
    loggers = [logger for logger in map(logging.getLogger, names) if logger.level != logging.ERROR]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning.*")
            warnings.filterwarnings("ignore", message=".*(does not have many workers|smaller than the logging).*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
