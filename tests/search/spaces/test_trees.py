"""From what GLO's stages propose to losses."""

import optuna
import pytest
import torch

from glo_lightning.errors import LossError
from glo_lightning.losses import BaikalCMALoss, BaikalLoss
from glo_lightning.search.samplers import GenerationalCmaEsSampler
from glo_lightning.search.spaces.trees import COEFFICIENT_SIGMA, CoefficientSpace, ExpressionSpace

H, Y = torch.tensor([[0.2, 0.7, 0.1]]).double(), torch.tensor([[0.0, 1.0, 0.0]]).double()


def test_an_expression_becomes_its_loss():
    loss = ExpressionSpace().build({"expression": "log(h) - y / h", "operation": "random"})
    torch.testing.assert_close(loss.gamma(H, Y), BaikalLoss().gamma(H, Y))


def test_the_start_is_the_expression_itself():
    space = CoefficientSpace("log(h) - y / h")
    loss = space.build(dict(zip(space.distributions, space.start, strict=True)))
    torch.testing.assert_close(loss.gamma(H, Y), BaikalLoss().gamma(H, Y))


def test_two_coefficients_reach_what_the_paper_found_with_six():
    cma = BaikalCMALoss()
    c0, c1, _, c3, c4, c5 = cma.coefficients
    loss = CoefficientSpace("log(h) - y / h").build({"c_0": c0 * c1, "c_1": c0 * c3 * c4 / c5})
    torch.testing.assert_close(loss.gamma(H, Y), cma.gamma(H, Y))


def test_any_coefficients_build_a_loss():
    loss = CoefficientSpace("square(h) * log(h + y)").build({"c_0": 1.0, "c_1": -1.0, "c_2": -1.0})
    assert loss.definedness().share == 0.0


def test_cma_es_tunes_coefficients():
    space = CoefficientSpace("log(h) - y / h")
    sampler = GenerationalCmaEsSampler(
        space.distributions, mean=space.start, sigma=COEFFICIENT_SIGMA, population_size=8, seed=0, max_generations=25
    )
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=sampler)
    while trials := sampler.claim(study, 8):
        for trial in trials:
            study.tell(
                trial, float((space.build(trial.params).gamma(H, Y) - BaikalCMALoss().gamma(H, Y)).square().sum())
            )
    assert study.best_value < 1e-3


def test_an_unreadable_expression_is_refused():
    with pytest.raises(LossError):
        CoefficientSpace("exp(h)")
