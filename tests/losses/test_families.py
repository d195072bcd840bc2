"""A family has one name, and one class."""

import importlib
import pkgutil
from typing import ClassVar

import pytest

from glo_lightning import losses
from glo_lightning.errors import LossError
from glo_lightning.losses import Loss, TaylorLoss
from glo_lightning.losses.families import MODULES, find_family, known_families


def families(cls: type[Loss]) -> set[type[Loss]]:
    return {cls}.union(*map(families, cls.__subclasses__()))


def test_a_stored_loss_finds_every_family_of_the_package() -> None:
    for module in pkgutil.iter_modules(losses.__path__, "glo_lightning.losses."):
        importlib.import_module(module.name)
    ours = {cls for cls in families(Loss) if cls.__module__.startswith("glo_lightning.") and "family" in vars(cls)}
    assert {cls.family: cls.__module__ for cls in ours} == MODULES
    assert {cls.family: cls for cls in ours} == {name: find_family(name) for name in MODULES}


@pytest.mark.parametrize("name", ["taylor", "tree"])
def test_a_family_name_is_taken_once(name: str) -> None:
    with pytest.raises(LossError, match=f"family name nobody uses yet, got '{name}'"):

        class AnotherLoss(TaylorLoss):
            family: ClassVar[str] = name


def test_a_notebook_cell_may_define_its_family_again() -> None:
    def define() -> type[Loss]:
        class CellLoss(TaylorLoss):
            family: ClassVar[str] = "cell_of_a_test"

        return CellLoss

    define()
    assert define() is find_family("cell_of_a_test")
    assert "cell_of_a_test" in known_families()


def test_a_name_of_a_family_not_imported_yet_is_taken_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, "later_of_a_test", "glo_lightning.losses.later")
    with pytest.raises(LossError, match=r"'later_of_a_test', which glo_lightning.losses.later has"):

        class TooEarlyLoss(TaylorLoss):
            family: ClassVar[str] = "later_of_a_test"
