"""Images kept in memory as bytes, normalised and augmented a batch at a time."""

import numpy as np
import torch
from torch import Tensor

from glo_lightning.data.tensor_data import Examples, TensorDataModule
from glo_lightning.data.transforms import Augmentation, to_inputs


class ImageDataModule(TensorDataModule):
    """A tensor data module whose inputs are uint8 images (M, channels, H, W).

    Training batches are augmented, validation and test batches are not. The augmentation of a batch is a function
    of the seed, the number of the batch and the process alone: whatever else draws random numbers, a network with
    dropout for one, sees to itself.

    Args:
        batch_size: N, examples per training batch and device.
        seed: of order and augmentation, 0 or more; ``None`` follows Lightning's ``seed_everything``.
        training_fraction: share of the training split to train on, in (0, 1].
        augmentation: of training batches; ``None`` for none.

    Attributes:
        mean: of each channel, in units of [0, 1]: inputs are (pixel / 255 - mean) / std.
        std: of each channel, likewise.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __init__(
        self,
        batch_size: int = 128,
        seed: int | None = None,
        training_fraction: float = 1.0,
        augmentation: Augmentation | None = None,
    ) -> None:
        super().__init__(batch_size, seed, training_fraction)
        self.augmentation = Augmentation() if augmentation is None else augmentation

    def evaluation_batch(self, batch: Examples) -> Examples:
        """Normalise the images."""
        images, target = batch
        return self.normalise(images), target

    def training_batch(self, batch: Examples, step: int, seed: int | None = None) -> Examples:
        """Augment and normalise the images; CutMix and mixup turn class indices into distributions (N, C)."""
        if self.augmentation == Augmentation():
            return self.evaluation_batch(batch)
        images, target = batch
        stream = np.random.SeedSequence([self.order_seed if seed is None else seed, step, self._world()[1]])
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(stream.generate_state(1)[0]))
            inputs = self.normalise(self.augmentation.pixels(images))
            return self.augmentation.inputs(inputs, target, self.num_classes)

    def on_after_batch_transfer(self, batch: Examples, dataloader_idx: int) -> Examples:
        """Prepare training batches, in the Trainer's precision."""
        prepared = super().on_after_batch_transfer(batch, dataloader_idx)
        if self.trainer is None:
            return prepared
        # Lightning converted the training batch when it was bytes, which have no precision.
        converted: Examples = self.trainer.precision_plugin.convert_input(prepared)
        return converted

    def normalise(self, images: Tensor) -> Tensor:
        """Turn stored images (N, channels, H, W) into network inputs, float32."""
        return to_inputs(images, self.mean, self.std)
