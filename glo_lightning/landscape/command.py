"""``python -m glo_lightning.landscape``: how flat the surroundings of trained models are."""

import sys
from collections.abc import Sequence

from glo_lightning.cli.verb import Verb, wants_help
from glo_lightning.landscape.settings import LandscapeSettings

LANDSCAPE = Verb(
    "landscape",
    LandscapeSettings,
    "the surroundings",
    "Moves the weights of checkpoints of one model along the same random, filter-normalised directions.",
    {"checkpoints": "FILE ..."},
)


def main(arguments: Sequence[str]) -> int:
    """Parse the command line, measure, print the table and write the files."""
    if wants_help(arguments):
        sys.stdout.write(LANDSCAPE.quick_help())
        return 0
    # Lightning takes seconds to import; the quick help above does without.
    from glo_lightning.landscape.output import explore_from_command_line

    return explore_from_command_line(LANDSCAPE, arguments)
