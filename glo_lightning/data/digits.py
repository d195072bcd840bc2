"""Scikit-learn's handwritten digits: real data that needs no download."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from glo_lightning.data.tensor_data import Splits, TensorDataModule
from glo_lightning.errors import DataError


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
        held_out = validation_fraction + test_fraction
        if min(validation_fraction, test_fraction) <= 0.0 or held_out >= 1.0:
            raise DataError(
                "positive validation_fraction and test_fraction that sum to less than 1",
                f"{validation_fraction!r} and {test_fraction!r}",
                "Use 0.2 and 0.2.",
            )
        self.validation_fraction = validation_fraction
        self.test_fraction = test_fraction
        self.split_seed = split_seed

    def load(self) -> Splits:
        """Split the images so that every part has each digit in the same proportion."""
        pixels, digits = load_digits(return_X_y=True)
        num_val, num_test = (round(f * len(digits)) for f in (self.validation_fraction, self.test_fraction))
        try:
            rest_pixels, test_pixels, rest_digits, test_digits = train_test_split(
                pixels, digits, test_size=num_test, stratify=digits, random_state=self.split_seed
            )
            train_pixels, val_pixels, train_digits, val_digits = train_test_split(
                rest_pixels, rest_digits, test_size=num_val, stratify=rest_digits, random_state=self.split_seed
            )
        except ValueError as error:
            raise DataError(
                "fractions that leave at least one image of each digit in each split",
                f"validation_fraction={self.validation_fraction}, test_fraction={self.test_fraction} ({error})",
                "Use 0.2 and 0.2.",
            ) from error
        parts = ((train_pixels, train_digits), (val_pixels, val_digits), (test_pixels, test_digits))
        return Splits(
            *((torch.from_numpy(x).float().div(16.0).view(-1, 1, 8, 8), torch.from_numpy(y).long()) for x, y in parts)
        )
