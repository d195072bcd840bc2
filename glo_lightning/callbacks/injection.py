"""Puts a candidate loss into any LightningModule, and takes it out again."""

import inspect
import logging
import operator
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.utils.hooks import RemovableHandle

from glo_lightning.callbacks.compiled import forget_compiled
from glo_lightning.callbacks.fit_progress import FitProgress
from glo_lightning.callbacks.label_range import LabelRange
from glo_lightning.callbacks.lean import LeanCallback
from glo_lightning.callbacks.outputs import step_loss
from glo_lightning.errors import ModelError
from glo_lightning.losses import Loss
from glo_lightning.losses.promises import Promises, replacement
from glo_lightning.options import option

_log = logging.getLogger(__name__)

INTERVAL = 16
"""Batches from one look at the labels to the next on an accelerator, which must finish its work for it."""


class LossInjection(LeanCallback):
    """Trains a LightningModule with another loss than its own.

    The module must compute its training loss by calling one attribute: a submodule, a function it stores, or a
    method. During training that name means the candidate; during validation, and after the fit however it ends,
    it means what it meant before, so that validation metrics never depend on the candidate. Checkpoints hold
    nothing of the candidate, so they load with or without this callback.

    The attribute may be set in ``__init__``, in ``setup`` or in ``configure_model``. Callbacks that train before the
    fit does, as LearningRateFinder and BatchSizeFinder, train with the candidate. One that changes with training
    progress gets t = k / n before the fit's batch k of n, from 0.

    What the module's own loss promises of its value the candidate keeps: the reduction, and labels that cost nothing.
    What cannot be kept, such as class weights, is logged when the fit starts.

    Args:
        loss: the candidate, called as ``loss(logits, target)``.
        attribute: name of the attribute; dots lead into submodules, as in ``"head.criterion"``.

    Attributes:
        caveat: what the candidate does without, in one line; empty if that is nothing, or not known yet.

    Raises:
        ModelError: from ``fit``, if the module has no such attribute, cannot take the loss there, did not call it
            for its first training loss (with manual optimization: in its first epoch), puts another loss there while
            it trains, or has a loss there whose values no candidate can stand in for.
        LossError: from ``fit``, if some batch has labels that are none: class indices out of bounds, NaN, -1.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from glo_lightning.data import DigitsDataModule
        >>> from glo_lightning.losses import MeanSquaredErrorLoss
        >>> from glo_lightning.models import Classifier, mlp
        >>> model, injection = Classifier(mlp()), LossInjection(MeanSquaredErrorLoss())
        >>> trainer = Trainer(
        ...     max_epochs=1, accelerator="cpu", callbacks=[injection], logger=False, enable_checkpointing=False,
        ...     enable_progress_bar=False, enable_model_summary=False)
        >>> trainer.fit(model, DigitsDataModule())
        >>> model.loss_fn
        CrossEntropyLoss(...)
    """

    def __init__(self, loss: nn.Module, attribute: str = "loss_fn") -> None:
        super().__init__()
        if not isinstance(loss, nn.Module):
            raise ModelError("a loss that is a torch.nn.Module", repr(loss), "Wrap the function in an nn.Module.")
        if not all(part.isidentifier() for part in attribute.split(".")):
            raise ModelError("an attribute such as 'loss_fn' or 'head.criterion'", repr(attribute), "Check it.")
        self.loss = loss
        self.attribute = attribute
        self.caveat = ""
        self._path, _, self._name = attribute.rpartition(".")
        self._replacement = loss
        self._owner: Any = None
        self._own: Any = None
        self._is_stored = False
        self._first_call: tuple[RemovableHandle, ...] = ()
        self._progress: FitProgress | None = None
        self._labels: LabelRange | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Come before all other callbacks: Lightning puts those first that tune, and they fit in ``on_fit_start``."""
        others = [callback for callback in trainer.callbacks if callback is not self]  # type: ignore[attr-defined]
        trainer.callbacks = [self, *others]  # type: ignore[attr-defined]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the candidate where the module, now set up, keeps its loss; watch for the first call."""
        injections = [callback for callback in trainer.callbacks if isinstance(callback, LossInjection)]  # type: ignore[attr-defined]
        if sum(injection.attribute == self.attribute for injection in injections) > 1:
            raise ModelError(
                f"one LossInjection for {self.attribute!r}", "several", "Remove all but one; a search brings its own."
            )
        owner, self._own = self._find(pl_module)
        self._replacement = replacement(self.loss, self._own)
        self.caveat = Promises.of(self._own).caveat
        if self.caveat and trainer.is_global_zero:
            _log.warning(self.caveat)
        forget_compiled(pl_module, owner)
        # The instance's __dict__ wins over registered submodules and over methods of the class. Neither is
        # touched, so neither the state dict nor the parameters change.
        self._owner, self._is_stored = owner, self._name in vars(owner)
        self._put(self._replacement)
        self._replacement.to(pl_module.device)
        self._first_call = (
            self._replacement.register_forward_pre_hook(self._check_call, with_kwargs=True),
            self._replacement.register_forward_hook(self._note_call),
        )
        if isinstance(self.loss, Loss):
            self._labels = LabelRange(self.loss)
            if self.loss.uses_progress:
                self.loss.progress = 0.0
                self._progress = FitProgress(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a fit without an end for a loss that changes with training progress."""
        if self._progress is not None:
            self._progress.begin(trainer, pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Tell the loss how far training is, if it wants to know."""
        if self._progress is not None:
            assert isinstance(self.loss, Loss)
            self.loss.progress = self._progress.at(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Refuse labels that are none, and a module that computed its loss without the candidate."""
        if step_loss(outputs) is not None:  # a skipped batch has none
            self._require_call(pl_module)
        if self._owner is not None and vars(self._owner).get(self._name) is not self._replacement:
            raise ModelError(
                f"a training that leaves self.{self.attribute} alone",
                f"a {type(pl_module).__name__} that puts another loss there in epoch {trainer.current_epoch}",
                "Keep to one loss for a fit, or name an attribute that the module does not set while it trains.",
            )
        if self._labels is not None and (pl_module.device.type == "cpu" or (batch_idx + 1) % INTERVAL == 0):
            self._labels.check()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a module whose first epoch never called the candidate, and labels that are none."""
        self._require_call(pl_module)
        if self._labels is not None:
            self._labels.check()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let validation see the module's own loss."""
        self._put(self._own)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Return to the candidate when validation ran inside a fit."""
        self._put(self._replacement)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the module; a failed fit never reaches teardown."""
        self._leave()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Restore the module after the fit."""
        self._leave()

    def _put(self, loss: Callable[..., Any]) -> None:
        # Always into the __dict__, where a compiled step looks each time whether it is another.
        if self._owner is not None:
            vars(self._owner)[self._name] = loss

    def _leave(self) -> None:
        if self._owner is None:
            return
        if self._is_stored:
            self._put(self._own)
        else:
            vars(self._owner).pop(self._name, None)  # gone if the module has put another loss there
        self._owner = self._own = self._progress = None
        if self._labels is not None:
            self._labels.leave()
            self._labels = None
        self._forget_first_call()
        self._replacement.to("cpu")
        self._replacement = self.loss

    def _require_call(self, pl_module: LightningModule) -> None:
        if self._first_call:
            raise ModelError(
                f"a training_step that calls self.{self.attribute}",
                f"a {type(pl_module).__name__} that computed its loss without it",
                f"Compute the training loss through that attribute{_suggest(pl_module)}.",
            )

    def _check_call(self, loss: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse a call that does not fit, in words that say how it would."""
        if torch.compiler.is_compiling():
            return
        try:
            inspect.signature(self.loss.forward).bind(*args, **kwargs)
        except TypeError:
            arguments = ["..."] * len(args) + [f"{name}=..." for name in kwargs]
            raise ModelError(
                "a training_step that calls its loss with logits and target",
                f"self.{self.attribute}({', '.join(arguments)})",
                f"Call self.{self.attribute}(logits, target), and leave other arguments to the loss itself.",
            ) from None

    def _note_call(self, loss: nn.Module, inputs: Any, output: Any) -> None:
        self._forget_first_call()

    def _forget_first_call(self) -> None:
        for handle in self._first_call:
            handle.remove()
        self._first_call = ()

    def _find(self, pl_module: LightningModule) -> tuple[Any, Callable[..., Any]]:
        """Return what has the loss for an attribute, and the loss."""
        try:
            owner = operator.attrgetter(self._path)(pl_module) if self._path else pl_module
            original = getattr(owner, self._name)
        except AttributeError:
            raise ModelError(
                f"a {type(pl_module).__name__} with an attribute {self.attribute!r}",
                "none",
                f"Compute the training loss through such an attribute{_suggest(pl_module)}.",
            ) from None
        if not callable(original):
            raise ModelError(
                f"a callable in {self.attribute!r}",
                f"a {type(original).__name__}",
                f"Store there what training_step calls for its loss{_suggest(pl_module)}.",
            )
        if not hasattr(owner, "__dict__") or isinstance(
            inspect.getattr_static(type(owner), self._name, None), property
        ):
            raise ModelError(
                f"an attribute {self.attribute!r} that can be replaced",
                "a property or a slot",
                "Store the loss as a plain attribute in __init__.",
            )
        return owner, original


def _suggest(pl_module: LightningModule) -> str:
    """Say which attributes look like losses, and how to name one, as the end of a sentence."""
    found = []
    for path, module in pl_module.named_modules():
        names = set(dir(module)) - set(dir(LightningModule))
        found += [
            f"{path}.{name}".lstrip(".")
            for name in sorted(names)
            if ("loss" in name.lower() or "criterion" in name.lower()) and callable(getattr(module, name, None))
        ]
    if not found:
        return ""
    example = f"LossInjection(loss, {found[0]!r}) or {option('loss_attribute', found[0])}"
    return f", or name another, as in {example}; candidates: {', '.join(found)}"
