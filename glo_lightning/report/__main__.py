"""``python -m glo_lightning.report``."""

import sys

from glo_lightning.cli.main import run

run(["report", *sys.argv[1:]])
