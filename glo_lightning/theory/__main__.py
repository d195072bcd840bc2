"""``python -m glo_lightning.theory``."""

import sys

from glo_lightning.cli.main import main

sys.exit(main(["theory", *sys.argv[1:]]))
