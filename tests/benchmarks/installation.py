"""What `pip install glo-lightning` brings beside torch, and what each extra adds: packages, and megabytes on disk.

python tests/benchmarks/installation.py

Reads the requirements of setup.cfg, follows them through the packages that are installed here, and adds up their files.
"""

import argparse
import configparser
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

TORCH = ("torch", "torchvision")


def setup() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def closure(requirements: Iterable[str]) -> set[str]:
    """Return the names of what pip would install for some requirements, among what is installed here."""
    extras_of = setup()["options.extras_require"]
    found: dict[str, set[str]] = {}
    ahead = [Requirement(each) for each in requirements]
    while ahead:
        wanted = ahead.pop()
        if wanted.name == "glo-lightning":
            ahead += [Requirement(each) for extra in wanted.extras for each in extras_of[extra].split()]
            continue
        name, extras = canonicalize_name(wanted.name), {"", *wanted.extras}
        if extras <= found.get(name, set()):
            continue
        try:
            further = [Requirement(each) for each in distribution(name).requires or ()]
        except PackageNotFoundError:
            continue
        found.setdefault(name, set()).update(extras)
        ahead += [
            each for each in further if not each.marker or any(each.marker.evaluate({"extra": e}) for e in extras)
        ]
    return set(found)


def megabytes(names: Iterable[str]) -> float:
    files = [distribution(name).locate_file(file) for name in names for file in distribution(name).files or ()]
    return sum(Path(str(file)).stat().st_size for file in files if Path(str(file)).is_file()) / 1e6


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch, core = closure(TORCH), closure(setup()["options"]["install_requires"].split())
    print("| | packages | MB |")
    print("|---|---:|---:|")
    print(f"| torch and torchvision | {len(torch)} | {megabytes(torch):.0f} |")
    print(f"| what a search needs beside them | {len(core - torch)} | {megabytes(core - torch):.0f} |")
    for extra in setup()["options.extras_require"]:
        if extra not in ("all", "notebooks", "dev"):
            more = closure([f"glo-lightning[{extra}]"]) - core
            print(f"| `[{extra}]` adds | {len(more)} | {megabytes(more):.0f} |")


if __name__ == "__main__":
    main()
