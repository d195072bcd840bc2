"""Validate on adversarial inputs, too."""

from typing import Any, Literal, get_args

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import Tensor, nn
from torchmetrics import MeanMetric

from glo_lightning.attacks import PixelSpace, examples_of, fgsm, is_right, margin, parse_epsilon, pgd
from glo_lightning.callbacks.lean import LeanCallback
from glo_lightning.errors import ModelError, SettingsError

Attack = Literal["fgsm", "pgd"]

METRICS: dict[str, Attack] = {f"val_{attack}_accuracy": attack for attack in get_args(Attack)}
"""What is logged in validation, and under which attack it is measured."""


class AdversarialValidation(LeanCallback):
    """Logs the accuracy under attack: ``val_fgsm_accuracy`` and ``test_fgsm_accuracy``, or those of ``pgd``.

    Images are attacked in pixel space, whatever loss the model trains with, so that none scores by hiding its own
    gradient. FGSM takes one step up cross-entropy, whose gradient vanishes where a network is sure: what trains such
    networks scores all the same. PGD takes ten steps up the margin of the logits, which nothing hides.
    ``python -m glo_lightning.robustness`` tries more. A search for robust losses monitors
    ``val_fgsm_accuracy`` or ``val_pgd_accuracy`` and adds this callback by itself unless the Trainer has one.

    Args:
        epsilon: largest change of a pixel, in [0, 1]; text such as ``"8/255"`` will do.
        attack: ``"fgsm"`` or ``"pgd"``.

    Raises:
        SettingsError: if epsilon is outside its range, or there is no such attack.
        DataError: from ``fit``, if batches are not inputs and class indices, or the data module does not say what its
            images are normalised by.
        ModelError: from ``fit``, if the module has no ``forward``.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from glo_lightning.data import DigitsDataModule
        >>> from glo_lightning.models import Classifier, mlp
        >>> trainer = Trainer(
        ...     max_epochs=2, accelerator="cpu", callbacks=[AdversarialValidation("8/255")], logger=False,
        ...     enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
        >>> trainer.fit(Classifier(mlp()), DigitsDataModule())
        >>> bool(trainer.callback_metrics["val_fgsm_accuracy"] < trainer.callback_metrics["val_accuracy"])
        True

    Source: the objective of adversarially robust losses in arXiv:2010.00788, with epsilon 0.1.
    """

    def __init__(self, epsilon: float | str = 0.1, attack: Attack = "fgsm") -> None:
        super().__init__()
        if attack not in get_args(Attack):
            raise SettingsError("the attack 'fgsm' or 'pgd'", repr(attack), "Use fgsm, or pgd, which is stronger.")
        self.epsilon = parse_epsilon(epsilon)
        self.attack: Attack = attack
        self._accuracy = MeanMetric()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a module that cannot be asked for logits."""
        if not is_overridden("forward", pl_module, LightningModule):
            raise ModelError(
                "a LightningModule whose forward returns the logits of its inputs",
                f"a {type(pl_module).__name__} without a forward",
                "Define forward(self, inputs), or train without AdversarialValidation.",
            )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count."""
        self._accuracy.to(pl_module.device).reset()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Attack the batch."""
        inputs, target = examples_of(batch)
        space = PixelSpace.of(trainer.datamodule)  # type: ignore[attr-defined]
        logits = pl_module(self._attacked(pl_module, inputs, target, space))
        self._accuracy.update(is_right(logits, target).float())

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the accuracy over all batches and ranks."""
        pl_module.log(f"val_{self.attack}_accuracy", self._accuracy.compute(), sync_dist=True)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count."""
        self.on_validation_epoch_start(trainer, pl_module)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Attack the batch."""
        self.on_validation_batch_end(trainer, pl_module, outputs, batch, batch_idx, dataloader_idx)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the accuracy over all batches and ranks."""
        pl_module.log(f"test_{self.attack}_accuracy", self._accuracy.compute(), sync_dist=True)

    def _attacked(self, model: nn.Module, inputs: Tensor, target: Tensor, space: PixelSpace) -> Tensor:
        if self.attack == "fgsm":
            return fgsm(model, inputs, target, self.epsilon, space)
        return pgd(model, inputs, target, self.epsilon, space, margin)
