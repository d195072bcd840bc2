"""``python -m glo_lightning.robustness``: accuracy of trained models under attack."""

import sys
from collections.abc import Sequence

from glo_lightning.cli.verb import Verb, wants_help
from glo_lightning.robustness.settings import RobustnessSettings

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
    from glo_lightning.robustness.output import attack_from_command_line

    return attack_from_command_line(ROBUSTNESS, arguments)
