"""Know whether a validation was of the weights that a training ended with."""

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from glo_lightning.callbacks.lean import LeanCallback


class ValidatedWeights(LeanCallback):
    """Keeps a copy of the weights that were validated last.

    Training may go on after its last validation, and callbacks may put other weights in its place at the end: averages,
    as StochasticWeightAveraging does, or those of an earlier epoch. It must stand before callbacks that validate with
    other weights than training has, and put these back at the end of the validation.
    """

    def __init__(self) -> None:
        super().__init__()
        self._copies: list[Tensor] = []

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights."""
        self._copies = [tensor.to("cpu", copy=True) for tensor in _weights(pl_module)]

    def are(self, pl_module: LightningModule) -> bool:
        """Whether the last validation was of the weights that the module has, now that the fit is over."""
        now = _weights(pl_module)
        pairs = zip(self._copies, now, strict=False)
        return len(self._copies) == len(now) and all(torch.equal(copy, tensor.cpu()) for copy, tensor in pairs)


def _weights(pl_module: LightningModule) -> list[Tensor]:
    return [tensor.detach() for tensor in (*pl_module.parameters(), *pl_module.buffers())]
