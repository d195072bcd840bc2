"""``python -m glo_lightning.compare``: losses side by side, by full trainings with many seeds."""

from functools import partial

from glo_lightning.cli.run import run
from glo_lightning.cli.verb import Verb
from glo_lightning.compare.settings import CompareSettings

COMPARE = Verb(
    "compare",
    CompareSettings,
    "the comparison",
    "Without arguments it compares Baikal with cross-entropy, with a small perceptron on scikit-learn's digits.",
    {"losses": "LOSS ...", "baselines": "NAME ...", "seeds": "N", "fractions": "FRACTION ..."},
)
main = partial(run, COMPARE)
