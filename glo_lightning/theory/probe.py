"""Measure, on a model and one batch, what decides between learning and collapse: its tangent kernel."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from glo_lightning.errors import ModelError
from glo_lightning.losses.precision import double_device
from glo_lightning.theory.trainability import default_kappa


@dataclass(frozen=True)
class KernelProbe:
    """A network's tangent kernel at its initial weights, reduced to what a loss's start depends on.

    Attributes:
        constant: lambda_c, how fast an output common to all samples moves.
        discriminative: lambda_d, how fast outputs that tell classes apart move.
        common_spread: b0, root mean square of the batch's mean centred logits.
        sample_spread: s0, root mean square of each sample's deviation from that mean.
        num_classes: C, outputs of the network.
    """

    constant: float
    discriminative: float
    common_spread: float
    sample_spread: float
    num_classes: int

    @property
    def rho(self) -> float:
        """lambda_c / lambda_d: how much faster collapse can be than learning."""
        return self.constant / self.discriminative if self.discriminative > 0.0 else math.inf

    @property
    def kappa(self) -> float:
        """The threshold on curvature that suits this network; see :func:`default_kappa`."""
        return default_kappa(self.num_classes, self.rho)


def probe_kernel(
    model: nn.Module, inputs: Tensor, target: Tensor, num_directions: int = 8, seed: int = 0
) -> KernelProbe:
    r"""Measure a network's tangent kernel from a few backward passes over one batch.

    .. math::
        \lambda_d = \frac{\big\|\nabla \frac1N \sum_x \tilde y_x \cdot f(x)\big\|^2}{\frac1N \sum_x |\tilde y_x|^2},
        \qquad \lambda_c = \mathbb{E}_{v \perp 1, |v| = 1} \Big\|\nabla \frac1N \sum_x v \cdot f(x)\Big\|^2

    where the gradients are with respect to the weights and :math:`\tilde y` are one-hot labels minus their mean. The
    model is left as it was: weights, gradients, buffers, mode and the random state.

    Args:
        model: returns logits (N, C); freshly initialised, in the mode it trains in.
        inputs: one batch, (N, ...), on the model's device; a few hundred samples are plenty.
        target: class indices, (N,), int64, of two classes or more.
        num_directions: random directions v for the mean.
        seed: of the directions, and of dropout.

    Returns:
        The kernel's summary.

    Raises:
        ModelError: if the model has no trainable weights, returns no (N, C) logits, or the batch has one class only.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
        >>> probe = probe_kernel(network, torch.rand(90, 4), torch.arange(90) % 3)
        >>> probe.rho > 1.0
        True

    Source: derivations.md, section 7.6.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    with torch.random.fork_rng(devices=[inputs.device] if inputs.is_cuda else []), torch.enable_grad():
        torch.manual_seed(seed)
        # Buffers are given as copies, so that batch normalisation counts the batch in them and not in the model.
        buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        logits = torch.func.functional_call(model, buffers, (inputs,))
        _check(weights, logits, target)
        num_samples, num_classes = logits.shape

        def squared_norm(outputs: Tensor) -> float:
            """Return the squared gradient of the mean over the batch of outputs . f(x)."""
            scalar = (outputs * logits).sum() / num_samples
            gradients = torch.autograd.grad(scalar, weights, retain_graph=True, allow_unused=True)
            own = (gradient.to(double_device(gradient.device)) for gradient in gradients if gradient is not None)
            return sum(float(gradient.double().square().sum()) for gradient in own)

        labels = nn.functional.one_hot(target, num_classes).to(logits)
        labels = labels - labels.mean(0)
        discriminative = squared_norm(labels) / (float(labels.square().sum()) / num_samples)
        directions = torch.randn(num_directions, num_classes, device=logits.device, dtype=logits.dtype)
        directions = nn.functional.normalize(directions - directions.mean(-1, keepdim=True))
        constant = sum(squared_norm(direction) for direction in directions) / num_directions
    centered = logits.detach() - logits.detach().mean(-1, keepdim=True)
    common = centered.mean(0)
    return KernelProbe(
        constant=constant,
        discriminative=discriminative,
        common_spread=float(common.square().mean().sqrt()),
        sample_spread=float((centered - common).square().mean().sqrt()),
        num_classes=num_classes,
    )


def _check(weights: list[nn.Parameter], logits: object, target: Tensor) -> None:
    if not weights:
        raise ModelError("a model with trainable weights", "none", "Set requires_grad on those that train.")
    if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[-1] < 2:
        got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError("a model that returns logits of shape (N, C)", got, "Wrap it in one that does.")
    fits = target.shape == logits.shape[:1] and target.dtype == torch.int64
    if not fits or not bool((target != target[:1]).any()):
        raise ModelError(
            f"int64 class indices of shape ({len(logits)},), of two classes or more",
            f"{'one class' if fits else target.dtype} of shape {tuple(target.shape)}",
            "Pass one shuffled batch of inputs and labels.",
        )
