"""``python -m glo_lightning.export``."""

import sys

from glo_lightning.cli.main import main

sys.exit(main(["export", *sys.argv[1:]]))
