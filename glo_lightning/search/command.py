"""``python -m glo_lightning.search``: every setting of model, data, Trainer and search on one command line."""

import sys
from collections.abc import Sequence

from glo_lightning.cli.verb import Verb, wants_help
from glo_lightning.search.settings import SearchSettings

SEARCH = Verb(
    "search",
    SearchSettings,
    "the search:",
    "Without arguments it searches a loss for a small perceptron on scikit-learn's digits.",
)


def main(arguments: Sequence[str]) -> int:
    """Parse the command line, search, and print the verdict."""
    if wants_help(arguments):
        sys.stdout.write(SEARCH.quick_help())
        return 0
    # Lightning takes seconds to import; the quick help above does without.
    from glo_lightning.search.output import search_from_command_line

    return search_from_command_line(SEARCH, arguments)
