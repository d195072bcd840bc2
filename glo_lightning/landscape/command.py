"""``python -m glo_lightning.landscape``: how flat the surroundings of trained models are."""

from functools import partial

from glo_lightning.cli.run import run
from glo_lightning.cli.verb import Verb
from glo_lightning.landscape.settings import LandscapeSettings

LANDSCAPE = Verb(
    "landscape",
    LandscapeSettings,
    "the surroundings",
    "Moves the weights of checkpoints of one model along the same random, filter-normalised directions.",
    {"checkpoints": "FILE ..."},
)
main = partial(run, LANDSCAPE)
