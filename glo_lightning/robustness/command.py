"""``python -m glo_lightning.robustness``: accuracy of trained models under attack."""

from functools import partial

from glo_lightning.cli.run import run
from glo_lightning.cli.verb import Verb
from glo_lightning.robustness.settings import RobustnessSettings

ROBUSTNESS = Verb(
    "robustness",
    RobustnessSettings,
    "the attacks",
    "Attacks checkpoints of one model in pixel space, by FGSM and PGD, each also with what was made for the others,\n"
    "and says whether a gradient misled an attack.",
    {"checkpoints": "FILE ...", "epsilons": "EPSILON ..."},
)
main = partial(run, ROBUSTNESS)
