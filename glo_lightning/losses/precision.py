"""The numbers that define a loss: finite, and in double precision wherever a device has it."""

import sys

import torch
from torch import Tensor

from glo_lightning.errors import LossError


def double_device(device: torch.device) -> torch.device:
    """Return where float64 numbers for computations on a device are kept: there, or on the CPU if it can hold none.

    Example:
        >>> double_device(torch.device("mps"))
        device(type='cpu')
    """
    return torch.device("cpu") if device.type in ("mps", "meta") else device


def numbers_like(numbers: Tensor, tensor: Tensor) -> Tensor:
    """Return numbers in the precision and on the device of a tensor, to which float64 may be foreign."""
    return numbers.to(tensor.dtype).to(tensor.device)


def finite_number(value: object, name: str) -> float:
    """Return a parameter as a float.

    Args:
        value: what the user gave.
        name: what the parameter is called.

    Raises:
        LossError: if it is not a finite number.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        return float(value)
    raise LossError(f"a finite number for {name}", repr(value)[:80], "Pass a float.")
