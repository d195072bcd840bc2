"""``python -m glo_lightning.robustness``: accuracy of trained models under attack."""

import sys
from collections.abc import Sequence

from glo_lightning.evaluation.checkpoint_settings import RobustnessSettings
from glo_lightning.training.verb import Verb, wants_help

ROBUSTNESS = Verb(
    "robustness",
    RobustnessSettings,
    "the attacks",
    "Attacks checkpoints of one model in pixel space, by FGSM and PGD, each also with what was made for the others,\n"
    "and says whether a gradient misled an attack.",
    {"checkpoints": "FILE ...", "epsilons": "EPSILON ..."},
)


def main(arguments: Sequence[str]) -> int:
    """Parse the command line, attack, print the table and write the files."""
    if wants_help(arguments):
        sys.stdout.write(ROBUSTNESS.quick_help())
        return 0
    # Lightning takes seconds to import; the quick help above does without.
    from glo_lightning.evaluation.robustness_report import attack_from_command_line

    return attack_from_command_line(arguments)
