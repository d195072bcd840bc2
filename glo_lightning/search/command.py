"""``python -m glo_lightning.search``: every setting of model, data, Trainer and search on one command line."""

import sys
from collections.abc import Sequence

from jsonargparse import ArgumentParser

from glo_lightning.search.settings import SearchSettings

USAGE = "python -m glo_lightning.search [--config FILE] [--search.* --model.* --data.* --trainer.*] [--print_config]"

EPILOG = """\
Without arguments it searches a loss for a small perceptron on scikit-learn's digits.

  --model, --data CLASS    a LightningModule and a LightningDataModule of yours, by import path
  --model.help CLASS       the options of a class; --data.help likewise
  --trainer.OPTION VALUE   any argument of lightning.Trainer, e.g. --trainer.max_epochs=3
  --config FILE            a YAML file with sections search, model, data and trainer
  --print_config           write such a file with the values in force
  --debug                  show the traceback of an error
  --help=all               every option of the Trainer, too
"""


def main(arguments: Sequence[str]) -> int:
    """Parse the command line, search, and print the verdict."""
    if any(argument in ("-h", "--help") for argument in arguments):
        sys.stdout.write(quick_help())
        return 0
    # Lightning takes seconds to import; the quick help above does without.
    from glo_lightning.search.lightning_cli import search_from_command_line

    return search_from_command_line(["--help" if a == "--help=all" else a for a in arguments])


def quick_help() -> str:
    """Return the help on the search's own options."""
    parser = ArgumentParser(usage=USAGE, add_help=False)
    parser.add_class_arguments(SearchSettings, "search", help="the search:")
    return f"{parser.format_help()}\n{EPILOG}"
