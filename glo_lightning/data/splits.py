"""The papers' way to hold out validation images."""

import numpy as np
import torch
from torch import Tensor

from glo_lightning.errors import DataError


def shuffled(num_examples: int) -> Tensor:
    """Return NumPy's permutation (M,) with seed 42, the one all of the papers' splits come from."""
    return torch.from_numpy(np.random.RandomState(42).permutation(num_examples))


def hold_out(num_examples: int, num_val: int) -> tuple[Tensor, Tensor]:
    """Split a training set: the last examples of :func:`shuffled` are for validation.

    Args:
        num_examples: M, size of the official training set.
        num_val: V, size of the validation split, in 1..M-1.

    Returns:
        Indices for training, shape (M - V,) int64, in random order; and for validation, shape (V,) int64.

    Raises:
        DataError: if ``num_val`` is outside its range.

    Example:
        >>> train, val = hold_out(50_000, 5_000)
        >>> train[:5].tolist(), val[:5].tolist()
        ([33553, 9427, 199, 12447, 39489], [5741, 33418, 22423, 11094, 18642])

    Source: the TaylorGLO authors' published code.
    """
    if not 0 < num_val < num_examples:
        raise DataError(
            f"a validation split of 1 to {num_examples - 1} examples", repr(num_val), "Use about a tenth of them."
        )
    order = shuffled(num_examples)
    return order[:-num_val], order[-num_val:]
