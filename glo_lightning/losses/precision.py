"""The numbers that define a loss: finite, and in double precision wherever a device has it."""

import sys
from numbers import Real
from typing import Any

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


def at_least_single(tensor: Tensor) -> Tensor:
    """Return a tensor in float32 or wider, in which losses are computed.

    Example:
        >>> at_least_single(torch.zeros(1, dtype=torch.float16)).dtype
        torch.float32
    """
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def recordable(tensor: Tensor) -> Tensor:
    """Return a tensor that autograd takes: itself, or a copy of one that was made in inference mode.

    Example:
        >>> with torch.inference_mode():
        ...     tensor = torch.ones(1)
        >>> tensor.is_inference(), recordable(tensor).is_inference()
        (True, False)
    """
    if not tensor.is_inference():
        return tensor
    with torch.inference_mode(False):
        return tensor.clone()


def listed(given: object) -> list[Any]:
    """Return numbers as a list of Python's: those of a tensor, an array or a sequence, or one alone.

    Example:
        >>> listed(torch.tensor([2, 3])), listed([torch.tensor(0.5), 1]), listed(range(2)), listed(2.0)
        ([2, 3], [0.5, 1], [0, 1], [2.0])
    """
    several = list(given) if isinstance(given, list | tuple | range) else _python(given)
    return [_python(each) for each in several] if isinstance(several, list) else [several]


def _python(given: object) -> Any:
    """Return what a tensor, an array or a scalar of NumPy holds as Python has it, and all else as it is."""
    return given.tolist() if hasattr(given, "tolist") else given


def finite_number(value: object, name: str) -> float:
    """Return a parameter as a float.

    Args:
        value: what the user gave, also as a tensor or scalar of NumPy.
        name: what the parameter is called.

    Raises:
        LossError: if it is not a finite number.
    """
    number = _python(value)
    is_number = isinstance(number, Real) and not isinstance(number, bool)
    if is_number and abs(number) <= sys.float_info.max:
        return float(number)
    raise LossError(f"a finite number for {name}", repr(value)[:80], "Pass a float.")
