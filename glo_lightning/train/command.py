"""``python -m glo_lightning.train``: a full training with any loss."""

import sys
from collections.abc import Sequence

from glo_lightning.cli.verb import Verb, wants_help
from glo_lightning.train.settings import TrainSettings

TRAIN = Verb(
    "train",
    TrainSettings,
    "the training:",
    "Without arguments it trains a small perceptron on scikit-learn's digits with cross-entropy.",
    {"loss": "LOSS"},
)


def main(arguments: Sequence[str]) -> int:
    """Parse the command line, train, and print the metrics."""
    if wants_help(arguments):
        sys.stdout.write(TRAIN.quick_help())
        return 0
    # Lightning takes seconds to import; the quick help above does without.
    from glo_lightning.train.output import train_from_command_line

    return train_from_command_line(TRAIN, arguments)
