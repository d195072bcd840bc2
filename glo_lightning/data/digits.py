"""Scikit-learn's handwritten digits: real data that needs no download."""

import torch
from sklearn.datasets import load_digits

from glo_lightning.data.fractions import require_fractions, three_parts
from glo_lightning.data.tensor_data import Splits, TensorDataModule


class DigitsDataModule(TensorDataModule):
    """1,797 images of handwritten digits in three stratified parts.

    Images are float32 of shape (1, 8, 8) with pixels in [0, 1].

    Args:
        batch_size: N, examples per batch and device.
        seed: of the training order, 0 or more; ``None`` follows Lightning's ``seed_everything``.
        validation_fraction: share of all images for validation, in (0, 1).
        test_fraction: share of all images for test, in (0, 1); the two sum to less than 1.
        split_seed: of the split; one split serves all seeds of an experiment.
        training_fraction: share of the training split to train on, in (0, 1].

    Attributes:
        mean: of the one channel, as of other image sets; 0, because the inputs are the pixels.
        std: of the one channel, likewise; 1.

    Raises:
        DataError: if an argument is outside its range.

    Example:
        >>> data = DigitsDataModule(batch_size=32)
        >>> data.train_tensors[0].shape, data.val_tensors[0].shape
        (torch.Size([1079, 1, 8, 8]), torch.Size([359, 1, 8, 8]))
    """

    num_classes = 10
    input_shape = (1, 8, 8)
    mean, std = (0.0,), (1.0,)

    def __init__(
        self,
        batch_size: int = 64,
        seed: int | None = None,
        validation_fraction: float = 0.2,
        test_fraction: float = 0.2,
        split_seed: int = 0,
        training_fraction: float = 1.0,
    ) -> None:
        super().__init__(batch_size, seed, training_fraction)
        require_fractions(validation_fraction, test_fraction)
        self.validation_fraction = validation_fraction
        self.test_fraction = test_fraction
        self.split_seed = split_seed

    def load(self) -> Splits:
        """Split the images so that every part has each digit in the same proportion."""
        pixels, digits = load_digits(return_X_y=True)
        parts = three_parts(
            len(digits),
            self.validation_fraction,
            self.test_fraction,
            self.split_seed,
            "at least one image of each digit",
            labels=digits,
        )
        images, labels = torch.from_numpy(pixels).float().div(16.0).view(-1, 1, 8, 8), torch.from_numpy(digits).long()
        return Splits(*((images[part], labels[part]) for part in parts))
