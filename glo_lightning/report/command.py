"""``python -m glo_lightning.report``: a search as one HTML page."""

import sys
from collections.abc import Sequence
from pathlib import Path

from glo_lightning.errors import SettingsError, StudyError, hide_passwords
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
        GloError: if Matplotlib is missing, there is nothing to tell, or the page cannot be written.
    """
    options = _parser().parse_args(arguments)
    require_extra("figures", "the figures of a page")
    if _is_storage(options.source):
        output, page = options.output or Path("report.html"), _tell_objective(options.source, options.study)
    else:
        # Optuna and matplotlib take seconds to import; help does without.
        from glo_lightning.report.page import build_page
        from glo_lightning.search.records.read import Archive

        folder = Path(options.source)
        output, page = options.output or folder / "report.html", build_page(Archive.open(folder))
    try:
        write_whole(output, page)
    except OSError as error:
        raise SettingsError(
            f"a place to write {str(output)!r}", error.strerror or str(error), "Choose another with --output."
        ) from error
    sys.stdout.write(f"{output}\n")
    return 0


def _is_storage(source: str) -> bool:
    """Tell whether a study is named by its storage rather than by the output folder of a search."""
    return "://" in source or Path(source).is_file()


def _tell_objective(source: str, name: str | None) -> str:
    from glo_lightning.report.objective import build_objective_page
    from glo_lightning.search.records.suggested import suggested_studies
    from glo_lightning.search.storage.open import open_storage
    from glo_lightning.search.storage.study import find_study

    storage = open_storage(source, existing=True)
    names = suggested_studies(storage)
    if not names:
        raise StudyError(
            "a study in which suggest_loss was asked for losses",
            f"none in {hide_passwords(source)}",
            "Of a search, name the output folder, such as runs/search.",
        )
    if (name is None and len(names) > 1) or name not in (None, *names):
        raise StudyError(f"--study out of {', '.join(names)}", name or "none", f"Choose one: --study={names[0]}.")
    study = find_study(name or names[0], storage)
    assert study is not None
    return build_objective_page(study)


def _parser() -> PlainParser:
    parser = PlainParser(
        "report",
        "Write one HTML file that tells a search: its verdict, its loss, how it went, how to repeat it.",
    )
    parser.add_argument(
        "source",
        metavar="RUN",
        help="output folder of a search, such as runs/search; or file or URL of a study that used suggest_loss",
    )
    parser.add_argument("--study", metavar="NAME", help="of such a study, where the storage has several")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="where to write (default: report.html in RUN, or in this folder)"
    )
    return parser
