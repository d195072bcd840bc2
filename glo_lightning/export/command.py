"""``python -m glo_lightning.export``: take a found loss home."""

import sys
from collections.abc import Sequence
from pathlib import Path

from glo_lightning.errors import SettingsError
from glo_lightning.export.formats import FORMATS, export_loss
from glo_lightning.files import write_whole
from glo_lightning.losses.found_along import warn_of_what_goes_along
from glo_lightning.losses.named import NAMED_LOSSES, find_loss
from glo_lightning.plain_parser import PlainParser

TEXTS = ("python", "latex")
"""Formats that a terminal can show."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a loss to a file or, without ``--output``, to standard output.

    Args:
        arguments: the command line; ``sys.argv`` by default.

    Returns:
        The exit code, 0.

    Raises:
        GloError: if the loss cannot be read, or the format cannot hold it.
        OSError: if the file cannot be written.
    """
    options = _parser().parse_args(arguments)
    if options.output is None and options.format not in TEXTS:
        raise SettingsError(f"--output with --format={options.format}", "none", "Name the file to write.")
    warn_of_what_goes_along([options.loss])
    content = export_loss(find_loss(options.loss), options.format)
    if options.output is None:
        sys.stdout.write(content.decode())
    else:
        write_whole(options.output, content)
        sys.stdout.write(f"{options.output}\n")
    return 0


def _parser() -> PlainParser:
    parser = PlainParser(
        "export",
        "Write a loss for where this package is not.",
        epilog=f"named losses: {', '.join(NAMED_LOSSES)}",
    )
    parser.add_argument("loss", help="a stored loss, e.g. runs/search/best_loss.json, or the name of one")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="python",
        help="python (a file that needs torch alone), torchscript, onnx (needs onnxscript) or latex",
    )
    parser.add_argument("--output", type=Path, help="the file; text goes to standard output without it")
    return parser
