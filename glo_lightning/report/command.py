"""``python -m glo_lightning.report``: a search as one HTML page."""

import sys
from collections.abc import Sequence
from pathlib import Path

from glo_lightning.errors import SettingsError
from glo_lightning.extras import require_extra
from glo_lightning.files import write_whole
from glo_lightning.plain_parser import PlainParser


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report of a search.

    Args:
        arguments: the command line; ``sys.argv`` by default.

    Returns:
        The exit code, 0.

    Raises:
        GloError: if Matplotlib is missing, the folder holds no search, or the page cannot be written.
    """
    options = _parser().parse_args(arguments)
    require_extra("figures", "the figures of a page")
    # Optuna and matplotlib take seconds to import; help does without.
    from glo_lightning.report.page import build_page
    from glo_lightning.search.records.read import Archive

    output = options.output or options.folder / "report.html"
    page = build_page(Archive.open(options.folder))
    try:
        write_whole(output, page)
    except OSError as error:
        raise SettingsError(
            f"a place to write {str(output)!r}", error.strerror or str(error), "Choose another with --output."
        ) from error
    sys.stdout.write(f"{output}\n")
    return 0


def _parser() -> PlainParser:
    parser = PlainParser(
        "report",
        "Write one HTML file that tells a search: its verdict, its loss, how it went, how to repeat it.",
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="output folder of a search, such as runs/search")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write (default: report.html in RUN)")
    return parser
