"""``python -m glo_lightning.compare``: losses side by side, by full trainings with many seeds."""

import sys
from collections.abc import Sequence

from glo_lightning.cli.verb import Verb, wants_help
from glo_lightning.compare.settings import CompareSettings

COMPARE = Verb(
    "compare",
    CompareSettings,
    "the comparison:",
    "Without arguments it compares Baikal with cross-entropy, with a small perceptron on scikit-learn's digits.",
    {"losses": "LOSS ...", "baselines": "NAME ...", "seeds": "N", "fractions": "FRACTION ..."},
)


def main(arguments: Sequence[str]) -> int:
    """Parse the command line, train what is missing, print the tables and write the files."""
    if wants_help(arguments):
        sys.stdout.write(COMPARE.quick_help())
        return 0
    # Lightning takes seconds to import; the quick help above does without.
    from glo_lightning.compare.output import compare_from_command_line

    return compare_from_command_line(COMPARE, arguments)
