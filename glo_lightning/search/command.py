"""``python -m glo_lightning.search``: every setting of model, data, Trainer and search on one command line."""

from collections.abc import Sequence

from glo_lightning.cli.run import run, run_own_cli
from glo_lightning.cli.verb import Verb
from glo_lightning.search.settings import SearchSettings

CHECK, OWN_CLI = "--check", "--cli"

SEARCH = Verb(
    "search",
    SearchSettings,
    "the search",
    "Without arguments it searches a loss for a small perceptron on scikit-learn's digits.\n"
    f"With {CHECK} it looks for all problems at once, says what the search would cost, and stops.\n"
    f"With {OWN_CLI} my_project.cli.MyCLI, all options but --search.* are those of a fit by that LightningCLI.",
)


def main(arguments: Sequence[str]) -> int:
    """Run a search, or check whether it would work."""
    others = [each for each in arguments if each != CHECK]
    action = "run" if len(others) == len(arguments) else "check"
    if any(each.partition("=")[0] == OWN_CLI for each in others):
        return run_own_cli(SEARCH, others, OWN_CLI, action)
    return run(SEARCH, others, action)
