"""Gauss-Jacobi quadrature on (0, 1), for integrals of what goes like a power at 0."""

import torch
from torch import Tensor

NODES = 32
"""Nodes for drive losses: a relative error of mostly 1e-13, and of 1e-8 for exponents of 4 and p of 1e-12."""


def gauss_jacobi(g: float, count: int = NODES) -> tuple[Tensor, Tensor]:
    r"""Return nodes in (0, 1) and weights for integrals of functions that go like :math:`\xi^g` at 0.

    Source: Golub and Welsch, "Calculation of Gauss Quadrature Rules", 1969, with the weight's own factor divided out.
    """
    k = torch.arange(1.0, count, dtype=torch.float64, device="cpu")  # also within torch.device("meta")
    diagonal = torch.cat([k.new_tensor([g / (g + 2.0)]), g**2 / ((2 * k + g) * (2 * k + g + 2))])
    beside = 2 * k * (k + g) / ((2 * k + g) * ((2 * k + g + 1) * (2 * k + g - 1)).sqrt())
    values, vectors = torch.linalg.eigh(diagonal.diag() + beside.diag(1) + beside.diag(-1))
    nodes = (1.0 + values) / 2.0
    return nodes, vectors[0] ** 2 / (g + 1.0) * nodes ** (-g)
