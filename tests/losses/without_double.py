"""Devices without float64, as Apple's MPS is one."""

from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

MESSAGE = "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."


def to_mps(tensor: Tensor) -> Tensor:
    """Move a tensor as ``module.to("mps")`` would."""
    _refuse(tensor)
    with FakeTensorMode():
        return torch.empty(tensor.shape, dtype=tensor.dtype, device="mps")


class OnMps:
    """A tensor there, as far as moving it away goes."""

    device = torch.device("mps")

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def double(self) -> Tensor:
        raise TypeError(MESSAGE)

    def to(self, device: torch.device) -> Tensor:
        assert device.type == "cpu"
        return self._tensor


class MetaWithoutDouble(TorchDispatchMode):
    """Makes the meta device, which every machine has, one without float64."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.is_meta:
                _refuse(leaf)
        return result


def _refuse(tensor: Tensor) -> None:
    if tensor.dtype == torch.float64:
        raise TypeError(MESSAGE)
