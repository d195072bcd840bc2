"""What was found along with a loss is told wherever the loss alone is taken."""

import json
import logging
from pathlib import Path

import pytest

from glo_lightning.cli.main import main
from glo_lightning.errors import LossFileError
from glo_lightning.losses import CrossEntropyLoss, save_loss
from glo_lightning.losses.found_along import found_along, warn_of_what_goes_along

ALONG = {"learning_rate_factor": 1.25, "model.dropout": 0.5}
QUICK = ["--trainer.accelerator=cpu", "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_loss(CrossEntropyLoss(), "best_loss.json")


@pytest.mark.parametrize(
    "verb",
    [
        ["export", "best_loss.json"],
        ["train", "--loss=best_loss.json", *QUICK],
        ["compare", "--losses", "cross_entropy", "best_loss.json", "--compare.seeds=2", "--compare.epochs=1", *QUICK],
    ],
    ids=lambda verb: str(verb[0]),
)
def test_every_verb_that_takes_a_loss_tells_what_it_was_trained_with(
    verb: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    Path("best_hyperparameters.json").write_text(json.dumps(ALONG))
    with caplog.at_level(logging.WARNING, "glo_lightning"):
        assert main(verb) == 0
    told = "best_loss.json was trained with all learning rates × 1.25, --model.dropout=0.5. Set that, too"
    assert told in caplog.text


def test_nothing_is_told_where_nothing_was_found_along(caplog: pytest.LogCaptureFixture) -> None:
    save_loss(CrossEntropyLoss(), "mine.json")
    for name in ("best_loss.json", "mine.json", "baikal"):
        assert found_along(name) == {}
    Path("best_hyperparameters.json").write_text(json.dumps(ALONG))
    assert found_along("mine.json") == {}
    assert found_along("best_loss.json") == ALONG
    warn_of_what_goes_along(["mine.json", "baikal"])
    assert not caplog.records


@pytest.mark.parametrize("content", ["", "[1]", '{"learning_rate_factor": "much"}', "\xff", "[" * 10_000])
def test_a_spoilt_file_is_named(content: str) -> None:
    Path("best_hyperparameters.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(LossFileError, match=r"best_hyperparameters\.json"):
        found_along("best_loss.json")
