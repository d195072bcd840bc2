"""The sharpest direction of the loss at a trained model."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector

from glo_lightning.attacks import AttackLoss, evaluating


def top_eigenvalue(
    model: nn.Module,
    batches: Sequence[tuple[Tensor, Tensor]],
    loss: AttackLoss = cross_entropy,
    tolerance: float = 1e-3,
    seed: int = 0,
) -> float | None:
    r"""Return the largest eigenvalue of the Hessian of the mean loss in the model's weights.

    .. math:: \lambda_{max} = \max_{\|v\| = 1} v^T \nabla^2 L v

    SciPy's Lanczos iteration asks for products of the Hessian with a vector; the Hessian itself is never made. The
    figure is not invariant under a rescaling of the weights, which leaves a ReLU network's answers alone: read it
    beside the flatness of a surface.

    Args:
        model: maps inputs to logits (N, C); measured in evaluation mode and left as it was.
        batches: inputs (N, ...) and class indices, (N,) or one per position, on the model's device.
        loss: takes logits and class indices; a mean over the batch, twice differentiable.
        tolerance: relative precision.
        seed: of the start vector.

    Returns:
        The eigenvalue; None if the iteration finds none.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> batches = [(torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.zeros(2, 1))]
        >>> f"{top_eigenvalue(model, batches, nn.functional.mse_loss):.3f}"  # of (w₁² + 9 w₂²) / 2
        '9.000'

    Source: Pearlmutter, "Fast Exact Multiplication by the Hessian", 1994, for the product.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    size = sum(weight.numel() for weight in weights)
    dtype = parameters_to_vector(weights).detach().cpu().numpy().dtype
    start = np.random.default_rng(seed).standard_normal(size).astype(dtype)
    operator = LinearOperator(
        (size, size), matvec=lambda vector: _hessian_product(model, weights, batches, loss, vector), dtype=dtype
    )
    try:
        (value,) = eigsh(operator, k=1, which="LA", v0=start, tol=tolerance, return_eigenvectors=False)
    except ArpackError:
        return None
    return float(value)


def _hessian_product(
    model: nn.Module,
    weights: Sequence[Tensor],
    batches: Sequence[tuple[Tensor, Tensor]],
    loss: AttackLoss,
    vector: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Return the Hessian times a vector (P,): the gradient of the gradient's component along it."""
    direction = torch.from_numpy(vector.reshape(-1)).to(weights[0])
    total = torch.zeros_like(direction)
    count = sum(target.numel() for _, target in batches)
    with evaluating(model), torch.enable_grad():
        for inputs, target in batches:
            gradient = torch.autograd.grad(
                loss(model(inputs), target), weights, create_graph=True, materialize_grads=True
            )
            along = torch.cat([part.reshape(-1) for part in gradient]) @ direction
            product = torch.autograd.grad(along, weights, materialize_grads=True)
            total += torch.cat([part.reshape(-1) for part in product]) * (target.numel() / count)
    result: NDArray[np.floating] = total.cpu().numpy()
    return result
