"""The dashboard in a real browser, and what it says when it cannot be opened."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest

from glo_lightning.cli.main import main
from glo_lightning.compare.tables import verdict_sentences
from glo_lightning.dashboard.server import Server
from glo_lightning.dashboard.studies import fresh_notes, show_studies
from glo_lightning.search.records.configuration import Configuration
from glo_lightning.search.records.read import Archive
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.storage.study import FINGERPRINT
from tests.browser import complaints, open_browser, photograph, resize
from tests.runs import search

pytest.importorskip("optuna_dashboard")


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a run's dashboard, and yield the address of its study's page."""
    storage = Configuration.read(folder).open_storage()
    with Server("127.0.0.1", 0, show_studies(storage, folder / "artifacts")) as server, fresh_notes(storage):
        yield visit(server.address)[0]


def visit(address: str) -> tuple[str, str]:
    """Return where an address leads to, and what is said there."""
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.url, answer.read().decode()


def fetch(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return json.load(answer)


@pytest.mark.parametrize("run", ["taylor_run", "glo_run"])
def test_the_study_and_a_trial_are_shown(run: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(run)
    with open_browser() as browser, serve(folder) as address:
        resize(browser, 1400, height=1600)
        _open(browser, address, "Hyperparameter Importance", "val_accuracy", "Best Trial")
        assert not [text for text in complaints(browser) if "/api/" in text]
        photograph(browser, f"dashboard-{run}-study")

        api = address.replace("/dashboard/", "/api/")
        best = fetch(api)["best_trials"][0]["number"]
        _open(browser, f"{address}/trials?numbers={best}", "formula L = ", "generation", "status completed")
        drawn = "[...document.images].filter(image => image.src.includes('/artifacts/') && image.naturalWidth)"
        _wait(browser, f"return {drawn}.length == 3")
        photograph(browser, f"dashboard-{run}-trial")

        _open(browser, f"{address}/note", "How the search stands", "How to read it")
        _wait(browser, f"return {drawn}.length >= 3")
        photograph(browser, f"dashboard-{run}-note")


def _open(browser: Any, address: str, *words: str) -> None:
    browser.get(address)
    for word in words:
        _wait(browser, f"return document.body.innerText.includes({json.dumps(word)})")


def _wait(browser: Any, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(lambda browser: browser.execute_script(condition), condition)


def test_a_journal_is_shown_too(tmp_path: Path) -> None:
    storage = f"journal://{tmp_path}/study.log"
    search(tmp_path, storage=storage, generations=1, population_size=4, invariant="none", comparison_seeds=0)
    with serve(tmp_path) as address:
        detail = fetch(address.replace("/dashboard/", "/api/"))
    assert len(detail["trials"]) == 4
    assert len(detail["trials"][0]["artifacts"]) == 3
    assert {"formula", "seconds", "drive"} <= {attribute["key"] for attribute in detail["trials"][0]["user_attrs"]}


def test_the_command_says_where_and_ends_with_ctrl_c(taylor_run: Path) -> None:
    with _command(f"sqlite:///{taylor_run}/study.db") as address:
        assert address.startswith("http://127.0.0.1:")
        _wait_for(lambda: "/studies/" in visit(address)[0])
        assert fetch(visit(address)[0].replace("/dashboard/", "/api/"))["name"] == "toy"


def test_a_port_in_use_is_named(taylor_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["dashboard", str(taylor_run), f"--port={port}"]) == 2
    errors = capsys.readouterr().err
    assert f"127.0.0.1:{port}, got one in use" in errors
    assert "--port" in errors
    assert main(["dashboard", str(taylor_run), "--port=99999"]) == 2
    assert "0-65535" in capsys.readouterr().err


def test_a_missing_extra_is_named(
    taylor_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    assert main(["dashboard", str(taylor_run)]) == 2
    assert "glo-lightning[dashboard]" in capsys.readouterr().err


def test_what_is_not_there_is_not_created(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for source in (
        tmp_path,
        tmp_path / "study.db",
        f"sqlite:///{tmp_path}/study.db",
        f"journal://{tmp_path}/study.log",
    ):
        assert main(["dashboard", str(source)]) == 2
    assert "runs/search" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_a_storage_without_a_search_opens_the_list_of_studies(tmp_path: Path) -> None:
    with Server("127.0.0.1", 0, show_studies(open_storage(tmp_path / "study.db"), tmp_path)) as server:
        assert visit(server.address)[0].endswith("/dashboard")


def test_the_page_says_starting_until_the_search_is_there(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("search: {study_name: mine}\n")
    storage = open_storage(tmp_path / "study.db")
    other = optuna.create_study(study_name="another search", storage=storage)
    other.set_user_attr(FINGERPRINT, {"num_classes": 3, "monitor": "val_loss", "mode": "min"})
    with _command(tmp_path) as address:
        assert "Starting" in visit(address)[1], "while the dashboard loads"
        with pytest.raises(urllib.error.HTTPError, match="503"):
            fetch(f"{address}api/studies")
        _wait_for(lambda: f"search in {tmp_path} has not begun" in visit(address)[1])
        study = optuna.create_study(study_name="mine", storage=storage)
        assert "Starting" in visit(address)[1]
        study.set_user_attr(FINGERPRINT, other.user_attrs[FINGERPRINT])
        _wait_for(lambda: "/studies/" in visit(address)[0])
        assert fetch(visit(address)[0].replace("/dashboard/", "/api/"))["name"] == "mine"


def test_the_note_carries_the_verdict(taylor_run: Path) -> None:
    with serve(taylor_run) as address:
        api = address.replace("/dashboard/", "/api/")
        _wait_for(lambda: fetch(api)["note"]["body"])
        note = fetch(api)["note"]["body"]
    verdict = Archive.open(taylor_run).verdict
    assert verdict is not None
    assert verdict.comparison is not None
    assert verdict.loss.formula() in note
    for sentence in verdict_sentences(verdict.comparison):
        assert sentence in note


@contextmanager
def _command(source: Path | str) -> Iterator[str]:
    """Run the dashboard's command, and yield the address it prints; Ctrl-C ends it in silence."""
    process = subprocess.Popen(
        [sys.executable, "-m", "glo_lightning.dashboard", str(source), "--port=0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    assert errors.strip() == ""


def _wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
