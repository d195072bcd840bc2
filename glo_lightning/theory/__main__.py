"""``python -m glo_lightning.theory``."""

import sys

from glo_lightning.cli.main import run

run(["theory", *sys.argv[1:]])
