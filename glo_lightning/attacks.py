"""Adversarial inputs in pixel space: FGSM and PGD."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from glo_lightning.errors import DataError, SettingsError

AttackLoss = Callable[[Tensor, Tensor], Tensor]
"""What an attack maximises: takes logits (N, C) and class indices (N,)."""


@dataclass(frozen=True)
class PixelSpace:
    """How the network's inputs follow from pixels in [0, 1].

    .. math:: x = (p - mean) / std

    Args:
        mean: of each channel; one number serves all.
        std: of each channel, positive; one number serves all.

    Raises:
        DataError: if a standard deviation is not positive.

    Example:
        >>> space = PixelSpace((0.5,), (0.25,))
        >>> space.pixels(torch.tensor([[[[-2.0, 0.0, 2.0]]]]))
        tensor([[[[0.0000, 0.5000, 1.0000]]]])
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if not all(std > 0.0 for std in self.std):
            raise DataError("a positive standard deviation of each channel", repr(self.std), "Check std.")

    @classmethod
    def of(cls, datamodule: object) -> Self:
        """Read the attributes ``mean`` and ``std`` of a data module that has been set up.

        Raises:
            DataError: if it has none.
        """
        try:
            return cls(tuple(datamodule.mean), tuple(datamodule.std))  # type: ignore[attr-defined]
        except (AttributeError, TypeError):
            raise DataError(
                "a data module with attributes mean and std, one number per channel in units of [0, 1]",
                f"a {type(datamodule).__name__} without",
                "Set them to what its images are normalised by, or to (0.0,) and (1.0,) if its inputs are pixels.",
            ) from None

    def pixels(self, inputs: Tensor) -> Tensor:
        """Return the pixels of normalised inputs (N, channels, ...).

        Raises:
            DataError: if mean and std are of another number of channels.
        """
        return inputs * self.scale(inputs) + _per_channel(self.mean, inputs)

    def scale(self, inputs: Tensor) -> Tensor:
        """Return what a unit of the inputs (N, channels, ...) is in pixels, per channel.

        Raises:
            DataError: if mean and std are of another number of channels.
        """
        return _per_channel(self.std, inputs)


def fgsm(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor,
    epsilon: float,
    space: PixelSpace,
    loss: AttackLoss = cross_entropy,
) -> Tensor:
    r"""Move every pixel by epsilon in the direction that raises the loss, within [0, 1].

    .. math:: p' = \mathrm{clip}_{[0, 1]}(p + \varepsilon \, \mathrm{sign}(\nabla_p L))

    Args:
        model: maps inputs to logits (N, C); attacked in evaluation mode and left as it was.
        inputs: normalised, shape (N, channels, ...).
        target: class indices, shape (N,), int64.
        epsilon: largest change of a pixel, in [0, 1].
        space: how inputs follow from pixels.
        loss: what to raise. An evolved loss can hide the gradient from the attack: cross-entropy does not.

    Returns:
        Adversarial inputs, normalised, shape (N, channels, ...); the inputs themselves, bit for bit, at epsilon 0.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> inputs, space = torch.full((1, 1, 2, 2), 0.5), PixelSpace()
        >>> adversarial = fgsm(model, inputs, torch.tensor([0]), 8 / 255, space)
        >>> ((adversarial - inputs).abs() * 255).round()
        tensor([[[[8., 8.],
                  [8., 8.]]]])

    Source: Goodfellow et al., "Explaining and Harnessing Adversarial Examples", arXiv:1412.6572.
    """
    return pgd(model, inputs, target, epsilon, space, loss, steps=1, step_size=epsilon)


def pgd(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor,
    epsilon: float,
    space: PixelSpace,
    loss: AttackLoss = cross_entropy,
    steps: int = 10,
    step_size: float | None = None,
    start: torch.Generator | None = None,
) -> Tensor:
    """Climb the loss in steps, each by the sign of the gradient, within epsilon of the pixels and [0, 1].

    Args:
        model: maps inputs to logits (N, C); attacked in evaluation mode and left as it was.
        inputs: normalised, shape (N, channels, ...).
        target: class indices, shape (N,), int64.
        epsilon: largest change of a pixel, in [0, 1].
        space: how inputs follow from pixels.
        loss: what to raise.
        steps: 1 or more.
        step_size: change of a pixel in a step; by default 2.5 epsilon / steps, which reaches every corner.
        start: draws a random start within epsilon; by default the climb starts from the inputs. On the CPU.

    Returns:
        Adversarial inputs, normalised, shape (N, channels, ...); the inputs themselves, bit for bit, at epsilon 0.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> inputs, space = torch.rand(3, 1, 2, 2), PixelSpace()
        >>> adversarial = pgd(model, inputs, torch.tensor([0, 1, 0]), 0.1, space, start=torch.Generator())
        >>> bool(((adversarial - inputs).abs() < 0.1001).all())
        True

    Source: Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", arXiv:1706.06083.
    """
    size = 2.5 * epsilon / steps if step_size is None else step_size
    # Lightning validates in inference mode, whose tensors no gradient can pass.
    with evaluating(model), torch.inference_mode(False), torch.enable_grad():
        inputs, target = inputs.detach().clone(), target.clone()
        scale = space.scale(inputs)
        pixels = space.pixels(inputs).clamp(0.0, 1.0)
        low, high = (pixels - epsilon).clamp(min=0.0), (pixels + epsilon).clamp(max=1.0)
        moved = pixels.clone()
        if start is not None:
            noise = 2.0 * torch.rand(pixels.shape, generator=start).to(pixels) - 1.0
            moved = (pixels + epsilon * noise).clamp(low, high)
        for _ in range(steps):
            moved.requires_grad_()
            raised = loss(model(inputs + (moved - pixels) / scale), target)
            (gradient,) = torch.autograd.grad(raised.sum(), moved)
            moved = (moved.detach() + size * gradient.sign()).clamp(low, high)
        # Not the pixels normalised again, which would round even those that have not moved.
        return inputs + (moved - pixels) / scale


def margin(logits: Tensor, target: Tensor) -> Tensor:
    r"""How far the most likely other class is ahead of the right one: an attack loss whose gradient nothing hides.

    .. math:: L = \sum \left(\max_{c \ne y} f_c - f_y\right)

    The gradient of cross-entropy vanishes where a network is sure, and so does the attack; this one's does not, and is
    the same whatever the scale of the logits.

    Args:
        logits: shape (N, C) or, one class per position, (N, C, ...); C is 2 or more.
        target: class indices, shape (N,) or (N, ...), int64.

    Returns:
        The sum over all labels, a scalar.

    Example:
        >>> margin(torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]]), torch.tensor([0, 2]))
        tensor(3.)

    Source: Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks", arXiv:1608.04644.
    """
    label = target.unsqueeze(1)
    others = logits.scatter(1, label, -torch.inf)
    return (others.amax(1) - logits.gather(1, label).squeeze(1)).sum()


def parse_epsilon(text: float | str) -> float:
    """Read an epsilon in units of [0, 1], which may be written as a fraction.

    Raises:
        SettingsError: if it is no number in [0, 1].

    Example:
        >>> parse_epsilon("8/255"), parse_epsilon(0.1)
        (0.03137254901960784, 0.1)
    """
    try:
        epsilon = float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):
        epsilon = -1.0
    if not 0.0 <= epsilon <= 1.0:
        raise SettingsError(
            "an epsilon in [0, 1], the range of a pixel", repr(text), "Write 8/255 or 0.031 for 8 of 255 grey levels."
        )
    return epsilon


def examples_of(batch: Any) -> tuple[Tensor, Tensor]:
    """Return a batch as inputs (N, ...) and class indices, one per input (N,) or per position (N, ...).

    Raises:
        DataError: if it is something else.
    """
    if isinstance(batch, list | tuple) and len(batch) == 2:
        inputs, target = batch
        if isinstance(inputs, Tensor) and isinstance(target, Tensor) and target.dtype == torch.int64:
            return inputs, target
    raise DataError(
        "batches of inputs and class indices int64",
        _describe(batch),
        "Serve (inputs, target), with one class per image or position; models of something else are compared by their "
        "test metrics: python -m glo_lightning.compare.",
    )


def _describe(batch: Any) -> str:
    if isinstance(batch, list | tuple):
        return f"({', '.join(map(_describe, batch))})"
    if isinstance(batch, Tensor):
        return f"{str(batch.dtype).removeprefix('torch.')} {tuple(batch.shape)}"
    return type(batch).__name__


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every layer into evaluation mode for a while."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def is_right(logits: Tensor, target: Tensor) -> Tensor:
    """Tell of each sample or position whether the largest logit is the target's; where one is NaN, none is.

    Args:
        logits: shape (N, C, ...).
        target: class indices, shape (N, ...).

    Returns:
        Answers, shape (N, ...).

    Example:
        >>> is_right(torch.tensor([[2.0, 1.0], [torch.nan, torch.nan]]), torch.tensor([0, 0]))
        tensor([ True, False])
    """
    return (logits.argmax(1) == target) & ~logits.isnan().any(1)


def _per_channel(values: tuple[float, ...], inputs: Tensor) -> Tensor:
    if len(values) not in (1, inputs.shape[1]):
        raise DataError(
            f"a mean and a std of each of the {inputs.shape[1]} channels of the inputs, or one for all",
            str(len(values)),
            "Serve images as (N, channels, ...), and flatten them in the model.",
        )
    return torch.tensor(values, dtype=inputs.dtype, device=inputs.device).view(-1, *[1] * (inputs.ndim - 2))
