"""Every network: its size, its shapes, and that torch.func can stack it."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from glo_lightning import models
from glo_lightning.errors import ModelError

DIGIT, COLOUR = (1, 8, 8), (3, 32, 32)


def case(build, options, input_shape, size):
    settings = ", ".join(f"{name}={value}" for name, value in options.items())
    return pytest.param(build, options, input_shape, size, id=f"{build.__name__}({settings})")


SMALL = [
    case(models.mlp, {}, DIGIT, 4_810),
    case(models.mlp, {"hidden": ()}, DIGIT, 650),
    case(models.mlp, {"hidden": (64,), "dropout": 0.5}, (64,), 4_810),
    case(models.small_cnn, {}, DIGIT, 6_090),
    case(models.small_cnn, {"batch_norm": True, "dropout": 0.5}, DIGIT, 6_138),
    case(models.small_cnn, {"input_shape": (3, 12, 9), "num_classes": 7, "width": 4}, (3, 12, 9), 751),
    case(models.alexnet, {}, COLOUR, 2_472_266),
    case(models.allcnn_c, {}, COLOUR, 1_369_738),
    case(models.allcnn_c, {"quirks": True}, COLOUR, 1_369_738),
    case(models.allcnn_c, {"quirks": True, "activation": nn.LogSigmoid}, COLOUR, 1_369_738),
    case(models.allcnn_c, {"activation": models.TaylorActivation}, COLOUR, 1_369_738),
    case(models.mnist_cnn, {}, (1, 28, 28), 3_274_634),
    case(models.preresnet, {"depth": 8}, COLOUR, 77_850),
    case(models.resnet, {"depth": 8}, COLOUR, 78_042),
    case(models.wide_resnet, {"depth": 10, "widen_factor": 2}, COLOUR, 303_706),
    case(models.wide_resnet, {"depth": 10, "widen_factor": 2, "activation": nn.SiLU}, COLOUR, 303_706),
]
PUBLISHED = [
    case(models.alexnet, {"num_classes": 100}, COLOUR, 2_495_396),
    case(models.allcnn_c, {"num_classes": 100}, COLOUR, 1_387_108),
    case(models.preresnet, {"depth": 20}, COLOUR, 272_282),
    case(models.preresnet, {"depth": 32}, COLOUR, 466_714),
    case(models.preresnet, {"depth": 56}, COLOUR, 855_578),
    case(models.resnet, {"depth": 20}, COLOUR, 272_474),
    case(models.resnet, {"depth": 32}, COLOUR, 466_906),
    case(models.resnet, {"depth": 56}, COLOUR, 855_770),
    case(models.wide_resnet, {"depth": 16, "widen_factor": 8}, COLOUR, 10_961_370),
    case(models.wide_resnet, {"depth": 10, "widen_factor": 16}, COLOUR, 18_998_746),
    case(models.wide_resnet, {"depth": 22, "widen_factor": 6}, COLOUR, 9_658_458),
    case(models.wide_resnet, {"depth": 28, "widen_factor": 5}, COLOUR, 9_132_634),
    case(models.wide_resnet, {"depth": 28, "widen_factor": 10}, COLOUR, 36_479_194),
]


@pytest.mark.parametrize("build, options, input_shape, size", SMALL + PUBLISHED)
def test_parameters_and_logits_are_counted(build, options, input_shape, size):
    with torch.device("meta"):
        network, inputs = build(**options), torch.empty(2, *input_shape)
    assert sum(parameter.numel() for parameter in network.parameters()) == size
    assert network(inputs).shape == (2, options.get("num_classes", 10))


@pytest.mark.parametrize("build, options, input_shape, size", SMALL)
def test_same_seed_builds_the_same_network(build, options, input_shape, size):
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build(**options).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def without_dropout(network):
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return network


@pytest.mark.parametrize("build, options, input_shape, size", SMALL)
def test_a_stack_of_networks_computes_what_each_computes(build, options, input_shape, size):
    members = [without_dropout(build(**options)).double() for _ in range(2)]
    inputs = torch.rand(3, *input_shape, dtype=torch.float64)
    parameters, buffers = stack_module_state(members)
    skeleton = copy.deepcopy(members[0]).to("meta")

    def logits_of(parameters, buffers):
        return functional_call(skeleton, (parameters, buffers), (inputs,))

    stacked = vmap(logits_of, randomness="different")(parameters, buffers)
    for index, member in enumerate(members):
        torch.testing.assert_close(stacked[index], member(inputs))
        for name, running in member.named_buffers():
            torch.testing.assert_close(buffers[name][index], running)


def test_quirks_ignore_the_last_rows_and_columns_of_the_last_map():
    network = models.allcnn_c(quirks=True).eval()
    seen = []
    network[-2].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    logits = network(torch.rand(2, *COLOUR))
    assert seen[0].shape[-2:] == (8, 8)
    torch.testing.assert_close(logits, seen[0][..., :6, :6].mean((-1, -2)))


def test_residual_convolutions_start_as_he_et_al_draw_them():
    torch.manual_seed(0)
    weight = models.wide_resnet(depth=10, widen_factor=4)[3].branch[0].weight
    assert weight.shape == (256, 128, 3, 3)
    assert weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    "build, options",
    [
        (models.mlp, {"hidden": (0,)}),
        (models.mlp, {"num_classes": 0}),
        (models.mlp, {"dropout": 1.0}),
        (models.small_cnn, {"input_shape": (1, 3, 8)}),
        (models.small_cnn, {"width": 0}),
        (models.small_cnn, {"dropout": -0.1}),
        (models.mnist_cnn, {"dropout": 1.0}),
        (models.preresnet, {"depth": 21}),
        (models.resnet, {"depth": 2}),
        (models.wide_resnet, {"depth": 20}),
        (models.wide_resnet, {"widen_factor": 0}),
        (models.wide_resnet, {"dropout": 1.0}),
    ],
)
def test_impossible_networks_are_refused(build, options):
    with pytest.raises(ModelError):
        build(**options)
