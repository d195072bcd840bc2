"""The garbage collector around a command: away while it imports, back for what it does, and as it was at the end."""

import gc
import subprocess
import sys

import pytest

from glo_lightning.cli.collector import collect_again, without_collector
from glo_lightning.cli.main import run


class Circle:
    """An object that only the collector frees."""

    freed = 0

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        Circle.freed += 1


def test_what_was_made_before_is_never_looked_at_and_what_comes_later_is() -> None:
    gc.collect()
    before, frozen = Circle.freed, gc.get_freeze_count()
    with without_collector():
        assert not gc.isenabled()
        Circle()  # as an import may leave one
        collect_again()
        assert gc.isenabled()
        assert gc.get_freeze_count() > frozen
        Circle()
        gc.collect()
        assert Circle.freed == before + 1
    assert gc.isenabled()
    gc.unfreeze()
    gc.collect()
    assert Circle.freed == before + 2


def test_in_a_process_of_somebody_else_it_stays_as_it_is() -> None:
    frozen = gc.get_freeze_count()
    collect_again()
    assert gc.isenabled()
    assert gc.get_freeze_count() == frozen


def test_a_command_ends_its_process_with_its_exit_code() -> None:
    with pytest.raises(SystemExit) as ended:
        run(["--version"])
    assert ended.value.code == 0
    gc.unfreeze()
    with pytest.raises(SystemExit) as ended:
        run(["serch"])
    assert ended.value.code == 2
    gc.unfreeze()


def test_workers_are_forked_from_a_process_whose_imports_are_out_of_the_collectors_sight() -> None:
    script = """
import gc
import glo_lightning.search.workers.preload
print(gc.isenabled(), gc.get_freeze_count() > 500_000)
"""
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert output.split() == ["True", "True"]
