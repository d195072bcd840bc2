"""Write the API pages into a folder, from the docstrings, by pdoc; any warning is an error."""

import importlib
import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc
from pdoc import extract

import glo_lightning


def main(folder: Path) -> None:
    """Write one page per public module, and an index."""
    found = pkgutil.walk_packages(glo_lightning.__path__, "glo_lightning.")
    names = ["glo_lightning", *(each.name for each in found if "._" not in each.name)]
    for name in names:
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            # pdoc does not see what a module fetches only when it is asked for.
            vars(module)[public] = getattr(module, public)
    specifications: list[str] = []
    covered: set[str] = set()  # pdoc takes a package's modules along, unless its __all__ leaves them out
    for name in names:
        if name not in covered:
            specifications.append(name)
            covered |= set(extract.walk_specs([name]))
    pdoc.render.configure(docformat="google", math=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pdoc.pdoc(*specifications, output_directory=folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
