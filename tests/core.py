"""An environment with what ``pip install glo-lightning`` brings and nothing else, made of what is installed here."""

from importlib.metadata import distribution
from pathlib import Path

from tests.benchmarks.installation import closure, setup


def link_core(folder: Path) -> None:
    """Fill a folder with links to the packages of the core."""
    for name in closure(setup()["options"]["install_requires"].split()):
        for top in {file.parts[0] for file in distribution(name).files or ()} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(str(distribution(name).locate_file(top)))
