"""``python -m glo_lightning.search``: every setting of model, data, Trainer and search on one command line."""

from functools import partial

from glo_lightning.cli.run import run
from glo_lightning.cli.verb import Verb
from glo_lightning.search.settings import SearchSettings

SEARCH = Verb(
    "search",
    SearchSettings,
    "the search",
    "Without arguments it searches a loss for a small perceptron on scikit-learn's digits.",
)
main = partial(run, SEARCH)
