"""``python -m glo_lightning.report``."""

import sys

from glo_lightning.cli.main import main

sys.exit(main(["report", *sys.argv[1:]]))
