"""Losses by name and by file, as command lines give them."""

import re
from pathlib import Path

import pytest

from glo_lightning.errors import LossError, LossFileError
from glo_lightning.losses import (
    CrossEntropyLoss,
    cross_entropy_taylor,
    known_losses,
    known_regression_losses,
    save_loss,
)
from glo_lightning.losses.named import NAMED_LOSSES, find_loss, load_losses


def test_a_loss_is_found_by_name_or_file(tmp_path: Path) -> None:
    assert isinstance(find_loss("cross_entropy"), CrossEntropyLoss)
    save_loss(cross_entropy_taylor(3), tmp_path / "mine.json")
    assert find_loss(str(tmp_path / "mine.json")).to_dict() == cross_entropy_taylor(3).to_dict()


def test_each_loss_is_called_by_something_that_tells_it_apart(tmp_path: Path) -> None:
    paths = [tmp_path / folder / name for folder in ("a", "b") for name in ("best_loss.json", "mine.json")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        save_loss(cross_entropy_taylor(2), path)
    names = [str(path) for path in paths]
    assert list(load_losses(["baikal", *names, "baikal"])) == ["baikal", "a", "mine", "b", names[3]]
    discovered = tmp_path / "a" / "discovered_loss.json"
    save_loss(cross_entropy_taylor(3), discovered)
    assert list(load_losses([str(discovered)])) == ["a"]
    assert list(load_losses([names[0], str(discovered)])) == ["a", str(discovered)]


def test_no_stored_loss_takes_the_name_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = ["baikal/best_loss.json", "cross_entropy.json", "twin.json", "mine", "other/mine.json"]
    for file in files:
        Path(file).parent.mkdir(exist_ok=True)
        save_loss(cross_entropy_taylor(2), file)
    losses = load_losses([*files[:3], "baikal"], reserved=["twin"])
    assert list(losses) == ["baikal/best_loss.json", "cross_entropy.json", "twin.json", "baikal"]
    assert losses["baikal"].to_dict() == find_loss("baikal").to_dict()
    assert list(load_losses(files[3:])) == ["mine", "other/mine.json"]
    with pytest.raises(LossError, match="two called 'mine'"):
        load_losses(files[:2:-1])


def test_named_losses_suit_the_outputs_and_stored_ones_stay(tmp_path: Path) -> None:
    save_loss(cross_entropy_taylor(2), tmp_path / "mine.json")
    names = ["focal", "binary_cross_entropy", str(tmp_path / "mine.json")]
    losses = load_losses(names, "sigmoid")
    assert [loss.family for loss in losses.values()] == ["sigmoid", "sigmoid", "taylor"]
    assert losses["binary_cross_entropy"].to_dict() == find_loss("binary_cross_entropy").to_dict()


KNOWN = known_losses(10, range(1, 11)) | known_regression_losses()


@pytest.mark.parametrize("name", KNOWN)
def test_what_a_verdict_names_is_found_by_that_name_or_said_how_to_make(name: str, tmp_path: Path) -> None:
    loss = KNOWN[name].loss
    if name in NAMED_LOSSES:
        assert find_loss(name).to_dict() == loss.to_dict()
    else:
        with pytest.raises(LossError) as refusal:
            find_loss(name)
        (code,) = re.findall(r"save_loss\(.*?\.json'\)", str(refusal.value))
        path = tmp_path / f"{name}.json"
        made = code.replace("class_counts", "range(1, 11)").replace(f"'{name}.json'", "path")
        eval(made, {"save_loss": save_loss, "known_losses": known_losses, "path": path})  # noqa: S307
        assert find_loss(str(path)).to_dict() == loss.to_dict()


def test_what_is_neither_a_name_nor_a_stored_loss_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LossError, match="cross_entropie"):
        find_loss("cross_entropie")
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(LossFileError):
        find_loss(str(tmp_path / "bad.json"))
