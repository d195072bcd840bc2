"""Optuna's published contract of samplers."""

from collections.abc import Callable

import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

from glo_lightning.search.samplers import GenerationalCmaEsSampler


class TestGenerationalCmaEsSampler(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        space = {name: FloatDistribution(-10.0, 10.0) for name in ("theta_0", "theta_1")}
        return lambda: GenerationalCmaEsSampler(space, population_size=20, seed=0)

    # These hand the sampler a search space of integers, categories and logarithmic ranges, which a sampler that infers
    # its space must take. Ours has its space from its constructor: real vectors.
    test_sample_relative_numerical = None
    test_sample_relative_categorical = None
    test_sample_relative_mixed = None
