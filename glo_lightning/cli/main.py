"""The command line: ``glo-lightning VERB`` and ``python -m glo_lightning.VERB`` are the same door."""

import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from glo_lightning import __version__
from glo_lightning.cli.collector import without_collector
from glo_lightning.errors import GloError, SettingsError, hide_passwords

VERBS = {
    "baselines": ("glo_lightning.baselines.command", "train what is known, and say whether a search would pay"),
    "search": ("glo_lightning.search.command", "find a loss for your model"),
    "train": ("glo_lightning.train.command", "train a model with any loss"),
    "compare": ("glo_lightning.compare.command", "compare losses by full trainings with many seeds"),
    "report": ("glo_lightning.report.command", "write one HTML page that tells a search"),
    "dashboard": ("glo_lightning.dashboard.command", "watch a search in the browser"),
    "robustness": ("glo_lightning.robustness.command", "attack trained models"),
    "landscape": ("glo_lightning.landscape.command", "say how flat the surroundings of trained models are"),
    "export": ("glo_lightning.export.command", "take a loss home: plain PyTorch, TorchScript, ONNX or LaTeX"),
    "theory": ("glo_lightning.theory.command", "say what a loss will do before anyone trains with it"),
}

CURE = "Check the path, its permissions and the room on its disk; then give the same command again."
"""What helps wherever a file or a folder cannot be used."""

EXIT_FAILURE = 1
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: the verb and its arguments; ``sys.argv`` by default.

    Returns:
        The exit code: 0, 1 for an error nobody foresaw, 2 for one that has been explained, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(_usage())
        return 0
    if arguments[0] == "--version":
        sys.stdout.write(f"glo-lightning {__version__}\n")
        return 0
    verb, *rest = arguments
    if verb not in VERBS:
        meant = difflib.get_close_matches(verb, VERBS, 1)
        cure = f"Did you mean {meant[0]}?" if meant else "See glo-lightning --help."
        sys.stderr.write(f"error: Expected a verb out of {', '.join(VERBS)}, got {verb!r}. {cure}\n")
        return EXIT_ERROR
    debug = "--debug" in rest
    rest = [argument for argument in rest if argument != "--debug"]
    # A console script, unlike ``python -m``, does not see the user's modules in the working directory.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(VERBS[verb][0])
        return int(module.main(rest) or 0)
    except GloError as error:
        if debug:
            raise
        sys.stderr.write(f"error: {error}\n")
        return EXIT_ERROR
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(f"\n{str(interrupt) or 'Interrupted.'}\n")
        return EXIT_INTERRUPTED
    except Exception as error:
        if debug:
            raise
        what = hide_passwords(" ".join(f"{type(error).__name__}: {error}".split()))
        if isinstance(error, OSError) and error.filename is not None:
            what = str(SettingsError(f"to use {error.filename!r}", error.strerror or what, CURE))
        sys.stderr.write(f"error: {what}\nThe same command with --debug shows where this comes from.\n")
        return EXIT_FAILURE


def _usage() -> str:
    verbs = "\n".join(f"  {verb:<12}{claim}" for verb, (_, claim) in VERBS.items())
    return f"usage: glo-lightning VERB [options]\n\n{verbs}\n\nglo-lightning VERB --help tells more.\n"


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one verb as all that this process does, and end it: the console script and ``python -m`` come in here."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # formulas and tables have signs that not every terminal has
            stream.reconfigure(errors="backslashreplace")
    with without_collector():
        sys.exit(main(arguments))
