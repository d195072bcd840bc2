"""``python -m glo_lightning.baselines``: whether a search would pay, with every setting of a search."""

from collections.abc import Sequence

from glo_lightning.cli.run import run, run_own_cli
from glo_lightning.cli.verb import Verb
from glo_lightning.search.settings import SearchSettings

OWN_CLI = "--cli"

BASELINES = Verb(
    "search",
    SearchSettings,
    "the search",
    "Trains what is known, on training and validation data alone, and says whether a search would pay, and which.\n"
    "It reads what a search reads; without arguments it is about a small perceptron on scikit-learn's digits.",
    name="baselines",
)


def main(arguments: Sequence[str]) -> int:
    """Train what is known, and print what a search could gain."""
    if any(each.partition("=")[0] == OWN_CLI for each in arguments):
        return run_own_cli(BASELINES, arguments, OWN_CLI)
    return run(BASELINES, arguments)
