"""``python -m glo_lightning.export``."""

import sys

from glo_lightning.cli.main import run

run(["export", *sys.argv[1:]])
