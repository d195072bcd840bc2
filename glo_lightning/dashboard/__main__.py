"""``python -m glo_lightning.dashboard``."""

import sys

from glo_lightning.cli.main import main

sys.exit(main(["dashboard", *sys.argv[1:]]))
