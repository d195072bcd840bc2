"""The dashboard in a real browser, and what it says when it cannot be opened."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from glo_lightning.cli.main import main
from glo_lightning.search.records.configuration import Configuration
from glo_lightning.search.storage.open import open_storage
from tests.browser import complaints, open_browser, photograph, resize
from tests.runs import search

pytest.importorskip("optuna_dashboard")


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a run's dashboard, and yield its address."""
    from glo_lightning.dashboard.server import Dashboard

    dashboard = Dashboard(Configuration.read(folder).open_storage(), folder / "artifacts", "127.0.0.1", 0)
    thread = threading.Thread(target=dashboard.serve)
    thread.start()
    try:
        yield dashboard.address
    finally:
        dashboard.close()
        thread.join()


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
    process = subprocess.Popen(
        [sys.executable, "-m", "glo_lightning.dashboard", f"sqlite:///{taylor_run}/study.db", "--port=0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    assert fetch(address.replace("/dashboard/", "/api/"))["name"] == "toy"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors.strip() == ""


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
    from glo_lightning.dashboard.server import Dashboard

    dashboard = Dashboard(open_storage(tmp_path / "study.db"), tmp_path, "127.0.0.1", 0)
    assert dashboard.address.endswith("/dashboard")
    dashboard._server.server_close()
