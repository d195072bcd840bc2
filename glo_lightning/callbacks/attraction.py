"""Watch, sample by sample, whether a loss pulls training towards zero error or pushes it away."""

import math
import operator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset

from glo_lightning.attacks import evaluating
from glo_lightning.callbacks.lean import LeanCallback
from glo_lightning.errors import ModelError, SettingsError
from glo_lightning.figures import save_figure
from glo_lightning.losses import Loss
from glo_lightning.losses.batch import describe
from glo_lightning.losses.promises import Replacement
from glo_lightning.theory.attraction import sample_attraction
from glo_lightning.theory.figures import figure_stratification
from glo_lightning.theory.gamma import AnyLoss, device_of
from glo_lightning.theory.record import AttractionRecord

PENDING = 20
"""Epochs whose logits wait to be turned into attractions together, because each call costs a small training much."""


class AttractionRecorder(LeanCallback):
    r"""Records confidence and attraction of a fixed subsample of the training set before and after each epoch.

    .. math:: \Delta h_T = h_T \frac{\sum_{k \ne T} h_k (e^{\Delta f_T} - e^{\Delta f_k})}{\sum_k h_k e^{\Delta f_k}}

    Cross-entropy pulls every sample at every epoch. A regularising loss pulls at first, and later pushes back the
    samples the network has memorised: the figure at the end of the fit shows it. The subsample is drawn once, as the
    model would train on it; recording neither changes the training nor its random numbers.

    Args:
        directory: gets ``attraction.npz`` (float16; read it with :meth:`AttractionRecord.read`) and
            ``attraction.png``; the record of an earlier run there is replaced, that of a resumed run continued.
        num_samples: size of the subsample, 1 or more; by default a twentieth of the training set and at most 500,
            which costs less than 3 % of the training time.
        attribute: where the model keeps its training loss; dots lead into submodules.
        step: size of the step on the logits, positive; the paper uses 1.
        seed: fixes the subsample.

    Raises:
        ModelError: from ``fit``, if the module has no such attribute, or its training data cannot be sampled.
        SettingsError: if an argument is outside its range.

    Example:
        >>> import tempfile
        >>> from lightning.pytorch import Trainer
        >>> from glo_lightning.data import DigitsDataModule
        >>> from glo_lightning.models import Classifier, mlp
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     trainer = Trainer(
        ...         max_epochs=2, accelerator="cpu", callbacks=[AttractionRecorder(directory)], logger=False,
        ...         enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
        ...     trainer.fit(Classifier(mlp()), DigitsDataModule())
        ...     record = AttractionRecord.read(f"{directory}/attraction.npz")
        >>> record.epochs, record.attraction.shape
        (tensor([0, 1, 2]), torch.Size([3, 54]))
        >>> bool((record.attraction >= 0).all())  # cross-entropy always pulls
        True

    Source: Figure 2 of arXiv:2010.00788; derivations.md, section 5.
    """

    def __init__(
        self,
        directory: str | Path = "attraction",
        num_samples: int | None = None,
        attribute: str = "loss_fn",
        step: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if (num_samples is not None and num_samples < 1) or not step > 0.0:
            raise SettingsError(
                "num_samples of 1 or more and a positive step", f"{num_samples!r} and {step!r}", "Leave them out."
            )
        self.directory = Path(directory)
        self.num_samples = num_samples
        self.attribute = attribute
        self.step = step
        self.seed = seed
        self._batches: list[tuple[Any, Tensor]] = []
        self._target = torch.zeros(0, dtype=torch.int64)
        self._pending: list[tuple[int, Tensor]] = []
        self._loss: AnyLoss | None = None
        self._record: AttractionRecord | None = None

    @property
    def file(self) -> Path:
        """Where the record is kept."""
        return self.directory / "attraction.npz"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the subsample, and record it as it is before training."""
        if not trainer.is_global_zero:
            return
        self._loss = self._find_loss(pl_module)
        loader = trainer.train_dataloader
        if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
            raise ModelError(
                "one training DataLoader over a data set with indices",
                type(loader.dataset if isinstance(loader, DataLoader) else loader).__name__,
                "Train without the AttractionRecorder, or serve the data by such a DataLoader.",
            )
        generator = torch.Generator().manual_seed(self.seed)
        served = _served(loader)
        size = len(served)
        drawn = torch.randperm(size, generator=generator)[: self.num_samples or min(500, math.ceil(size / 20))]
        index = served[drawn]
        self._batches = self._draw(trainer, loader, index)
        self._target = torch.cat([target for _, target in self._batches])
        self._record = self._open(index, trainer.current_epoch)
        self._look(trainer.current_epoch, pl_module)
        self._flush()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the subsample as it is now."""
        if self._record is None:
            return
        # Kept, because after an exception the module's own loss may be back already.
        self._loss = self._find_loss(pl_module)
        self._look(trainer.current_epoch + 1, pl_module)
        if len(self._pending) == PENDING or (isinstance(self._loss, Loss) and self._loss.uses_progress):
            self._flush()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write what a run resumed from this checkpoint would miss."""
        self._flush()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Write what there is."""
        self._flush()
        self._forget()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the record and draw the figure."""
        self._flush()
        if self._record is not None:
            figure = figure_stratification({self.directory.name: self._record})
            save_figure(figure, self.directory / "attraction.png")
        self._forget()

    def _open(self, index: Tensor, epochs_done: int) -> AttractionRecord:
        """Continue the record of the run that is resumed, or start one."""
        if epochs_done > 0 and self.file.exists():
            earlier = AttractionRecord.read(self.file)
            if torch.equal(earlier.index, index):
                return earlier.until(epochs_done)
        return AttractionRecord.empty(index, self._target)

    def _draw(self, trainer: Trainer, loader: DataLoader[Any], index: Tensor) -> list[tuple[Any, Tensor]]:
        # Without gradients several training batches fit at once.
        size = 4 * (loader.batch_size or 64)
        samples = DataLoader(Subset(loader.dataset, index.tolist()), size, collate_fn=loader.collate_fn)
        with isolate_rng():  # of Python and NumPy, too, from which transforms of the data may draw
            torch.manual_seed(self.seed)
            batches = [trainer.strategy.batch_to_device(batch) for batch in samples]
        for batch in batches:
            target = batch[1] if isinstance(batch, list | tuple) and len(batch) == 2 else None
            if not isinstance(target, Tensor) or target.ndim != 1 or target.dtype != torch.int64:
                raise ModelError(
                    "training batches of inputs and class indices (N,) int64",
                    describe(target) if isinstance(target, Tensor) else type(batch).__name__,
                    "Train without the AttractionRecorder, or serve (inputs, target).",
                )
        return [trainer.precision_plugin.convert_input(batch) for batch in batches]

    def _look(self, epoch: int, pl_module: LightningModule) -> None:
        """Keep the samples' logits, and leave the module as it was."""
        with evaluating(pl_module), torch.no_grad():
            logits = torch.cat([pl_module(inputs) for inputs, _ in self._batches])
        self._pending.append((epoch, logits))

    def _flush(self) -> None:
        """Turn pending logits into confidences and attractions, and write the record."""
        if self._record is None or self._loss is None or not self._pending:
            return
        epochs, outputs = zip(*self._pending, strict=True)
        logits, target = torch.cat(outputs).float(), self._target.repeat(len(epochs))
        if isinstance(self._loss, Loss):
            logits, target = logits.to(device_of(self._loss)), target.to(device_of(self._loss))
        change = sample_attraction(self._loss, logits, target, self.step)
        confidence = logits.softmax(-1).gather(-1, target.unsqueeze(-1))
        shape = (len(epochs), len(self._target))
        self._record = self._record.extended(torch.tensor(epochs), confidence.reshape(shape), change.reshape(shape))
        self._record.write(self.file)
        self._pending = []

    def _find_loss(self, pl_module: LightningModule) -> AnyLoss:
        try:
            loss: AnyLoss = operator.attrgetter(self.attribute)(pl_module)
        except AttributeError:
            raise ModelError(
                f"a {type(pl_module).__name__} with an attribute {self.attribute!r}",
                "none",
                "Pass attribute= the name of its training loss.",
            ) from None
        return loss.loss if isinstance(loss, Replacement) else loss

    def _forget(self) -> None:
        self._batches, self._pending = [], []
        self._loss = self._record = None


def _served(loader: DataLoader[Any]) -> Tensor:
    """Return the indices of the samples that a loader trains on: those of a subset, if its sampler has one."""
    subset = getattr(loader.sampler, "indices", None)
    return torch.arange(len(loader.dataset)) if subset is None else torch.as_tensor(subset)  # type: ignore[arg-type]
