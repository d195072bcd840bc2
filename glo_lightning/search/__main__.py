"""``python -m glo_lightning.search``."""

import sys

from glo_lightning.cli import main

sys.exit(main(["search", *sys.argv[1:]]))
