"""``python -m glo_lightning.train``: a full training with any loss."""

from functools import partial

from glo_lightning.cli.run import run
from glo_lightning.cli.verb import Verb
from glo_lightning.train.settings import TrainSettings

TRAIN = Verb(
    "train",
    TrainSettings,
    "the training",
    "Without arguments it trains a small perceptron on scikit-learn's digits with cross-entropy.",
    {"loss": "LOSS"},
)
main = partial(run, TRAIN)
