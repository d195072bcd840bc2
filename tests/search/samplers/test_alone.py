"""The samplers by themselves need numpy, cmaes and Optuna: whoever only wants to sample installs no torch."""

import subprocess
import sys

SCRIPT = """
import sys
import optuna, cmaes
from optuna.distributions import FloatDistribution
before = set(sys.modules)
import glo_lightning.search.samplers
import glo_lightning.search.engines.cma, glo_lightning.search.engines.genetic
from glo_lightning import GenerationalCmaEsSampler
from glo_lightning.search.samplers import GeneticSampler
from glo_lightning.search.samplers.screens import Screening

class Anything:
    def settings(self):
        return {}

    def check(self, expression, repeats=None):
        return Screening()

    def repetition_key(self, sameness):
        return str

space = {"theta_0": FloatDistribution(-10.0, 10.0)}
for sampler in (
    GenerationalCmaEsSampler(space, population_size=4, max_generations=2),
    GeneticSampler(Anything(), population_size=4, max_generations=2),
):
    study = optuna.create_study(sampler=sampler)
    while trials := sampler.claim(study):
        study.tell(trials[0], 0.5 * trials[0].number)
    assert len(study.trials) == 8
new = {name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(sorted(new - {"numpy", "optuna", "cmaes"}))
print(sorted({"torch", "lightning", "sympy", "pandas", "matplotlib"} & sys.modules.keys()))
"""


def test_samplers_import_numpy_cmaes_and_optuna_alone() -> None:
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert output.splitlines() == ["['glo_lightning']", "[]"]
