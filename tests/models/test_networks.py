"""Every network: its size, its shapes, and that torch.func can stack it."""

import copy

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from glo_lightning import models
from glo_lightning.errors import ModelError

NETWORKS = [
    (models.mlp, {}, (1, 8, 8), 4_810),
    (models.mlp, {"hidden": ()}, (1, 8, 8), 650),
    (models.mlp, {"hidden": (64,), "dropout": 0.5}, (64,), 4_810),
    (models.small_cnn, {}, (1, 8, 8), 6_090),
    (models.small_cnn, {"batch_norm": True, "dropout": 0.5}, (1, 8, 8), 6_138),
    (models.small_cnn, {"input_shape": (3, 12, 9), "num_classes": 7, "width": 4}, (3, 12, 9), 751),
]
IDS = [f"{build.__name__}-{options}" for build, options, _, _ in NETWORKS]
networks = pytest.mark.parametrize("build, options, input_shape, size", NETWORKS, ids=IDS)


@networks
def test_parameters_are_counted(build, options, input_shape, size):
    assert sum(p.numel() for p in build(**options).parameters()) == size


@networks
@torch.no_grad()
def test_logits_have_one_column_per_class(build, options, input_shape, size):
    logits = build(**options).eval()(torch.rand(2, *input_shape))
    assert logits.shape == (2, options.get("num_classes", 10))
    assert logits.isfinite().all()


@networks
def test_same_seed_builds_the_same_network(build, options, input_shape, size):
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build(**options).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@networks
def test_a_stack_of_networks_computes_what_each_computes(build, options, input_shape, size):
    members = [build(**{**options, **({"dropout": 0.0} if "dropout" in options else {})}) for _ in range(2)]
    inputs = torch.rand(3, *input_shape)
    parameters, buffers = stack_module_state(members)
    skeleton = copy.deepcopy(members[0]).to("meta")

    def logits_of(parameters, buffers):
        return functional_call(skeleton, (parameters, buffers), (inputs,))

    stacked = vmap(logits_of)(parameters, buffers)
    for index, member in enumerate(members):
        torch.testing.assert_close(stacked[index], member(inputs), rtol=1e-4, atol=1e-5)
        for name, buffer in member.named_buffers():
            torch.testing.assert_close(buffers[name][index], buffer)


@pytest.mark.parametrize(
    "build, options",
    [
        (models.mlp, {"hidden": (0,)}),
        (models.mlp, {"num_classes": 0}),
        (models.mlp, {"dropout": 1.0}),
        (models.small_cnn, {"input_shape": (1, 3, 8)}),
        (models.small_cnn, {"width": 0}),
        (models.small_cnn, {"dropout": -0.1}),
    ],
)
def test_impossible_networks_are_refused(build, options):
    with pytest.raises(ModelError):
        build(**options)
