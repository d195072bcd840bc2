"""``python -m glo_lightning.dashboard``."""

import sys

from glo_lightning.cli.main import run

run(["dashboard", *sys.argv[1:]])
