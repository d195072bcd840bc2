"""``python -m glo_lightning.export``."""

import sys

from glo_lightning.cli import main

sys.exit(main(["export", *sys.argv[1:]]))
