"""What a trained network loses when its weights move: surfaces along random directions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from glo_lightning.attacks import evaluating, is_right
from glo_lightning.errors import SettingsError

Direction = Mapping[str, Tensor]
"""By the names of a model's parameters, how they move."""


@dataclass(frozen=True)
class Surface:
    """Accuracy and cross-entropy of a model along one direction, or over two.

    Args:
        coordinates: steps along each direction, (R,), odd, with 0 in the middle; a step of 1 moves a filter by its
            own norm.
        accuracy: shape (R,) or (R, R), float64.
        loss: mean cross-entropy, likewise.
    """

    coordinates: Tensor
    accuracy: Tensor
    loss: Tensor

    @property
    def centre(self) -> tuple[int, ...]:
        """Index of the model itself."""
        return (len(self.coordinates) // 2,) * self.accuracy.ndim

    def flatness(self, radius: float) -> float:
        r"""Return the mean accuracy over all points of the grid within a radius.

        .. math:: F(r) = \mathrm{mean} \{ accuracy(\alpha, \beta) : \alpha^2 + \beta^2 \le r^2 \}

        1 is a model that no step of that length harms. The radius counts in steps, so that models compare whatever
        the norm of their weights.

        Args:
            radius: above 0, at most the largest coordinate.

        Raises:
            SettingsError: if the radius is outside its range.
        """
        require_radius(radius, self.coordinates)
        steps = torch.meshgrid(*[self.coordinates] * self.accuracy.ndim, indexing="ij")
        distance = torch.stack(steps).square().sum(0).sqrt()
        return float(self.accuracy[distance <= radius * (1.0 + 1e-9)].mean())

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; None for a loss that is not finite."""
        loss = self.loss.numpy().astype(object)
        loss[~self.loss.isfinite().numpy()] = None
        return {
            "coordinates": self.coordinates.tolist(),
            "accuracy": self.accuracy.tolist(),
            "loss": loss.tolist(),
        }


def grid(span: float, points: int) -> Tensor:
    """Return steps (R,) from -span to span with an exact 0 in the middle, float64.

    Args:
        span: largest step, positive.
        points: R, odd, 3 or more.

    Raises:
        SettingsError: if an argument is outside its range.

    Example:
        >>> grid(1.0, 5)
        tensor([-1.0000, -0.5000,  0.0000,  0.5000,  1.0000], dtype=torch.float64)
    """
    if not (span > 0.0 and math.isfinite(span)) or points < 3 or points % 2 == 0:
        raise SettingsError(
            "a positive span and an odd number of points, 3 or more",
            f"{span!r} and {points!r}",
            "Use 1.0 and 21: the middle point is the model itself.",
        )
    half = points // 2
    return torch.arange(-half, half + 1, dtype=torch.float64) / half * span


def require_radius(radius: float, coordinates: Tensor) -> None:
    """Refuse a radius that leaves the surface.

    Raises:
        SettingsError: if it is not above 0 and at most the largest coordinate.
    """
    if not 0.0 < radius <= float(coordinates[-1]):
        raise SettingsError(
            f"a radius above 0 and up to {float(coordinates[-1]):g}, where the surface ends",
            repr(radius),
            "Choose a smaller radius or a larger span.",
        )


def random_directions(model: nn.Module, count: int, seed: int) -> list[Direction]:
    r"""Draw directions whose filters have the norms of the model's filters.

    .. math:: d_f \leftarrow \frac{d_f}{\|d_f\|} \|\theta_f\|

    A filter is what makes one output: a row of a weight. Biases and the parameters of normalisation layers, which
    have no filters, do not move. Models of one architecture and one seed share the draw and differ in the norms alone.

    Args:
        model: whose parameters move.
        count: of directions.
        seed: of the draw.

    Returns:
        Directions, with a tensor for every parameter.

    Example:
        >>> layer = nn.Linear(3, 2)
        >>> (direction,) = random_directions(layer, 1, seed=0)
        >>> torch.allclose(direction["weight"].norm(dim=1), layer.weight.norm(dim=1)), direction["bias"]
        (True, tensor([0., 0.]))

    Source: Li et al., "Visualizing the Loss Landscape of Neural Nets", arXiv:1712.09913, section 4.
    """
    generator = torch.Generator().manual_seed(seed)
    return [
        {name: _filter_normalised(weight.detach(), generator) for name, weight in model.named_parameters()}
        for _ in range(count)
    ]


def measure_surface(
    model: nn.Module,
    batches: Sequence[tuple[Tensor, Tensor]],
    directions: Sequence[Direction],
    coordinates: Tensor,
    say: Callable[[str], None] = lambda line: None,
) -> Surface:
    """Measure a model with its weights moved to every point of a grid.

    The model itself is never changed: moved weights are passed in beside it. It is measured in evaluation mode, and
    batch normalisation keeps the running statistics of the trained model, so that the middle of the surface is the
    model exactly.

    Args:
        model: maps inputs to logits (N, C).
        batches: inputs (N, ...) and class indices, (N,) or one per position, on the model's device.
        directions: one or two, from :func:`random_directions`.
        coordinates: steps along each, from :func:`grid`.
        say: told of every finished row of a surface over two directions.

    Returns:
        Accuracy and cross-entropy at every point.

    Example:
        >>> model = nn.Linear(3, 2)
        >>> batches = [(torch.randn(8, 3), torch.arange(8) % 2)]
        >>> surface = measure_surface(model, batches, random_directions(model, 2, seed=0), grid(1.0, 3))
        >>> surface.accuracy.shape
        torch.Size([3, 3])

    Source: Li et al., arXiv:1712.09913.
    """
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    size = len(coordinates)
    values = []
    with evaluating(model), torch.no_grad():
        for number, steps in enumerate(
            torch.cartesian_prod(*[coordinates] * len(directions)).view(-1, len(directions))
        ):
            moved = {
                name: sum((float(step) * d[name] for step, d in zip(steps, directions, strict=True)), start=weight)
                for name, weight in weights.items()
            }
            values.append(_measure(model, moved, batches))
            if len(directions) > 1 and (number + 1) % size == 0:
                say(f"row {(number + 1) // size} of {size} done")
    accuracy, loss = torch.tensor(values, dtype=torch.float64).T.reshape(2, *[size] * len(directions))
    return Surface(coordinates, accuracy, loss)


def _filter_normalised(weight: Tensor, generator: torch.Generator) -> Tensor:
    draw = torch.randn(weight.shape, generator=generator).to(weight)
    if weight.ndim < 2:
        return torch.zeros_like(weight)
    filters = draw.flatten(1)
    norms = weight.flatten(1).norm(dim=1, keepdim=True)
    direction: Tensor = filters / filters.norm(dim=1, keepdim=True) * norms
    return direction.view_as(weight)


def _measure(
    model: nn.Module, weights: Mapping[str, Tensor], batches: Sequence[tuple[Tensor, Tensor]]
) -> tuple[float, float]:
    right, loss, count = 0, 0.0, 0
    for inputs, target in batches:
        logits = functional_call(model, dict(weights), (inputs,))
        right += int(is_right(logits, target).sum())
        loss += float(cross_entropy(logits, target, reduction="sum"))
        count += target.numel()
    return right / count, loss / count
