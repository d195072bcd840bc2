"""Scikit-learn's diabetes data: a number to predict that needs no download."""

import torch
from sklearn.datasets import load_diabetes
from torch import Tensor

from glo_lightning.data.fractions import require_fractions, three_parts
from glo_lightning.data.tensor_data import Splits, TensorDataModule
from glo_lightning.errors import DataError


class DiabetesDataModule(TensorDataModule):
    """442 patients, ten measurements each, and how far their disease had progressed a year later, in three parts.

    Measurements are float32 of shape (10,), targets float32 of shape (1,). Both are standardised: mean 0 and standard
    deviation 1 over the training part.

    Args:
        batch_size: N, examples per batch and device.
        seed: of the training order, 0 or more; ``None`` follows Lightning's ``seed_everything``.
        validation_fraction: share of all patients for validation, in (0, 1).
        test_fraction: share of all patients for test, in (0, 1); the two sum to less than 1.
        split_seed: of the split; one split serves all seeds of an experiment.
        training_fraction: share of the training split to train on, in (0, 1].

    Raises:
        DataError: if an argument is outside its range.

    Example:
        >>> data = DiabetesDataModule(batch_size=32)
        >>> data.train_tensors[0].shape, data.train_tensors[1].shape
        (torch.Size([266, 10]), torch.Size([266, 1]))

    Source: Efron et al., "Least Angle Regression", 2004.
    """

    input_shape = (10,)

    def __init__(
        self,
        batch_size: int = 32,
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
        """Split the patients at random, and standardise by the training part."""
        measured, progress = load_diabetes(return_X_y=True, scaled=False)
        train, val, test = three_parts(
            len(progress), self.validation_fraction, self.test_fraction, self.split_seed, "at least one patient"
        )
        if len(train) < 2:
            raise DataError("two or more patients to train on", f"{len(train)}", "Lower the other two fractions.")
        inputs, targets = torch.from_numpy(measured), torch.from_numpy(progress).unsqueeze(1)
        inputs, targets = (_standardised(each, each[train]) for each in (inputs, targets))
        return Splits(*((inputs[part], targets[part]) for part in (train, val, test)))


def _standardised(numbers: Tensor, known: Tensor) -> Tensor:
    return ((numbers - known.mean(0)) / known.std(0)).float()
