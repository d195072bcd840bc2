"""Clip the gradients of many models at once, each by its own norm."""

from collections.abc import Callable, Iterable

from torch import Tensor

Clipping = Callable[[Iterable[Tensor]], None]


def make_clipping(value: float | None, algorithm: str | None) -> Clipping | None:
    """Return what a Trainer with these ``gradient_clip_val`` and ``gradient_clip_algorithm`` does; None for nothing."""
    if not value:
        return None
    threshold = float(value)
    clip = clip_by_value if algorithm == "value" else clip_by_norm
    return lambda gradients: clip(gradients, threshold)


def clip_by_value(gradients: Iterable[Tensor], threshold: float) -> None:
    """Clamp every entry to [-threshold, threshold], in place."""
    for gradient in gradients:
        gradient.clamp_(-threshold, threshold)


def clip_by_norm(gradients: Iterable[Tensor], threshold: float) -> None:
    """Scale down the gradients of each model whose norm exceeds the threshold, as torch does for one model.

    Args:
        gradients: one per parameter, shape (P, ...) for P models; changed in place.
        threshold: of the norm over all gradients of one model.

    Example:
        >>> import torch
        >>> gradient = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
        >>> clip_by_norm([gradient], 1.0)
        >>> gradient
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    gradients = list(gradients)
    squares = sum(gradient.reshape(len(gradient), -1).square().sum(1) for gradient in gradients)
    assert isinstance(squares, Tensor)
    factors = (threshold / (squares.sqrt() + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))
