import pytest
import torch
from torch import nn

from glo_lightning.errors import ModelError
from glo_lightning.theory import KernelProbe, default_kappa, probe_kernel


def network(num_classes: int = 4, **options: bool) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, num_classes)]
    if options.get("batch_norm"):
        layers.insert(1, nn.BatchNorm1d(12))
    if options.get("dropout"):
        layers.insert(1, nn.Dropout(0.5))
    return nn.Sequential(*layers)


def batch(num_classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(60, 5, generator=generator), torch.arange(60) % num_classes


def explicit_kernel(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Return df(x)_k/dw . df(x')_l/dw as (N, C, N, C)."""
    weights = dict(model.named_parameters())

    def outputs(values: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.func.functional_call(model, values, (inputs,))

    jacobian = torch.func.jacrev(outputs)(weights)
    rows = torch.cat([part.flatten(2) for part in jacobian.values()], -1)
    return torch.einsum("xkp,zlp->xkzl", rows, rows)


def test_it_measures_the_explicit_kernel() -> None:
    model, (inputs, target) = network(), batch()
    kernel = explicit_kernel(model, inputs).detach()
    labels = nn.functional.one_hot(target, 4).float()
    labels = labels - labels.mean(0)
    samples = len(inputs)
    discriminative = torch.einsum("xk,xkzl,zl->", labels, kernel, labels) / samples**2
    discriminative = discriminative / (labels.square().sum() / samples)
    of_constants = kernel.mean((0, 2))
    projection = torch.eye(4) - 0.25
    constant = (projection @ of_constants).trace() / 3

    probe = probe_kernel(model, inputs, target, num_directions=2000)
    assert probe.discriminative == pytest.approx(discriminative.item(), rel=1e-4)
    assert probe.constant == pytest.approx(constant.item(), rel=0.03)
    assert probe.rho == pytest.approx(probe.constant / probe.discriminative)
    assert probe.kappa == default_kappa(4, probe.rho)


def test_the_spreads_are_those_of_the_centred_logits() -> None:
    model, (inputs, target) = network(), batch()
    probe = probe_kernel(model, inputs, target)
    logits = model(inputs).detach()
    centered = logits - logits.mean(-1, keepdim=True)
    assert probe.common_spread == pytest.approx(centered.mean(0).square().mean().sqrt().item(), rel=1e-5)
    rest = centered - centered.mean(0)
    assert probe.sample_spread == pytest.approx(rest.square().mean().sqrt().item(), rel=1e-5)


def test_a_zero_last_layer_has_no_spread() -> None:
    model, (inputs, target) = network(), batch()
    nn.init.zeros_(model[-1].weight)
    nn.init.zeros_(model[-1].bias)
    probe = probe_kernel(model, inputs, target)
    assert (probe.common_spread, probe.sample_spread) == (0.0, 0.0)
    assert probe.rho > 1.0


def test_it_leaves_everything_as_it_was() -> None:
    model, (inputs, target) = network(batch_norm=True, dropout=True), batch()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    first = probe_kernel(model, inputs, target)
    assert first == probe_kernel(model, inputs, target)
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(weight.grad is None for weight in model.parameters())
    assert model.training


def test_frozen_weights_do_not_count() -> None:
    model, (inputs, target) = network(), batch()
    all_weights = probe_kernel(model, inputs, target)
    model[0].requires_grad_(False)
    assert probe_kernel(model, inputs, target).constant < all_weights.constant


def test_a_kernel_that_tells_nothing_apart_has_no_finite_rho() -> None:
    assert KernelProbe(1.0, 0.0, 0.1, 0.1, 10).kappa == 0.25


def test_refuses_a_model_without_weights() -> None:
    with pytest.raises(ModelError, match="trainable weights"):
        probe_kernel(nn.Identity(), *batch())


def test_refuses_outputs_that_are_no_logits() -> None:
    inputs, target = batch()
    with pytest.raises(ModelError, match=r"logits of shape \(N, C\)"):
        probe_kernel(nn.Sequential(nn.Linear(5, 4), nn.Flatten(0)), inputs, target)


@pytest.mark.parametrize(
    "target", [torch.zeros(60, dtype=torch.int64), torch.arange(30), torch.rand(60), torch.zeros(0, dtype=torch.int64)]
)
def test_refuses_labels_that_do_not_fit(target: torch.Tensor) -> None:
    with pytest.raises(ModelError, match="two classes or more"):
        probe_kernel(network(), batch()[0], target)
