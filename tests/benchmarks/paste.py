"""Put the tables of all records into RESULTS.md, each between comments that name the script that prints it.

    python tests/benchmarks/paste.py

Nothing trains: a script that is asked for no search tells what its records hold, and draws them.
"""

import argparse
import contextlib
import io
import re
import runpy
import shlex
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE / "RESULTS.md"
TABLES = re.compile(r"(<!-- tables of (.+?) -->\n).*?(<!-- end of tables -->)", flags=re.DOTALL)


def pasted(page: str, *options: str) -> str:
    """Return a page with what its scripts print now, told these options, too."""
    return TABLES.sub(lambda found: f"{found[1]}\n{printed(found[2], *options)}\n{found[3]}", page)


def printed(command: str, *options: str) -> str:
    """Return what a script prints of its records."""
    script, *own = shlex.split(command)
    told, arguments = io.StringIO(), sys.argv
    sys.argv = [script, *own, "--searches", "0", *options]
    try:
        with contextlib.redirect_stdout(told):
            runpy.run_path(str(HERE / script), run_name="__main__")
    finally:
        sys.argv = arguments
    return told.getvalue().strip()


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    PAGE.write_text(pasted(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
