"""``python -m glo_lightning.search``: every setting of model, data, Trainer and search on one command line."""

from collections.abc import Sequence

from glo_lightning.cli.run import run
from glo_lightning.cli.verb import Verb
from glo_lightning.search.settings import SearchSettings

CHECK = "--check"

SEARCH = Verb(
    "search",
    SearchSettings,
    "the search",
    "Without arguments it searches a loss for a small perceptron on scikit-learn's digits.\n"
    f"With {CHECK} it looks for all problems at once, says what the search would cost, and stops.",
)


def main(arguments: Sequence[str]) -> int:
    """Run a search, or check whether it would work."""
    others = [each for each in arguments if each != CHECK]
    return run(SEARCH, others, "run" if len(others) == len(arguments) else "check")
