"""Searches by several workers: the same result as by one, whatever happens to them."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from glo_lightning.cli.main import main
from glo_lightning.errors import GloError
from glo_lightning.search import LossSearch
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.records.configuration import Configuration
from glo_lightning.search.records.plan import PLAN
from glo_lightning.search.records.result import SearchResult
from glo_lightning.search.records.verdict import PURPOSES
from glo_lightning.search.samplers.worker_identity import WorkerIdentity
from glo_lightning.search.storage.open import open_storage
from glo_lightning.search.workers.local import LocalLauncher
from tests.search.toy import TRAINER, Outspoken, ToyData, ToyModel
from tests.search.workers import works

ROOT = Path(__file__).parents[3]
T = TypeVar("T")

SETTINGS: dict[str, Any] = {
    "generations": 6,
    "population_size": 10,
    "invariant": "exact",
    "monitor": "val_loss",
    "mode": "min",
    "finalists": 3,
    "finalist_seeds": 2,
    "comparison_seeds": 2,
    "comparison_epochs": 2,
    "rival_budget": 0,
    "study_name": "toy",
}


def _search(folder: Path, model: Any = ToyModel, trainer: dict[str, Any] | None = None, **changes: Any) -> SearchResult:
    search = LossSearch(**{**SETTINGS, "output_dir": str(folder), **changes})
    return search.run(model, ToyData(), {**TRAINER, **(trainer or {})})


def _outcome(result: SearchResult) -> list[tuple[Any, ...]]:
    return [
        (record.generation, record.index, record.parameters, record.metric, record.status)
        for record in read_candidates(result.study)
    ]


def _trials(storage: BaseStorage) -> list[FrozenTrial]:
    """The trials of all of a search's studies."""
    studies = optuna.get_all_study_summaries(storage, include_best_trial=False)
    return [trial for study in studies for trial in storage.get_all_trials(study._study_id, deepcopy=False)]


def worker_of(trial: FrozenTrial) -> WorkerIdentity:
    worker = WorkerIdentity.of_worker(trial)
    assert worker is not None
    return worker


def _wait_for(look: Callable[[], T | None], seconds: float = 240.0) -> T:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    return _search(tmp_path_factory.mktemp("alone"))


def _heard_of_workers(caplog: pytest.LogCaptureFixture) -> bool:
    """Whether a worker's models were heard to be built by who started it."""
    return any(each.message == "a model is built" and each.module == "process" for each in caplog.records)


def test_two_workers_find_what_one_finds(alone: SearchResult, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    both = _search(tmp_path, Outspoken, workers=2)
    assert _heard_of_workers(caplog)
    assert _outcome(both) == _outcome(alone)
    assert both.best_loss.to_dict() == alone.best_loss.to_dict()
    assert both.comparison == alone.comparison
    told = [message.strip() for message in caplog.messages]
    for purpose in ("finalists", "comparison"):
        after = told[told.index(PURPOSES[purpose]) :]
        assert any(line.startswith("6/6 trainings") for line in after)
    names = optuna.get_all_study_names(both.study._storage)
    assert {name.rpartition("/")[0] for name in names} - {"toy"} == {"", "toy/comparison", "toy/finalists"}
    assert len({WorkerIdentity.of_worker(trial) for trial in _trials(both.study._storage)}) == 2, "both took part"
    assert {file.name for file in tmp_path.iterdir()} >= {"best_loss.json", "comparison.json", "trials.csv"}


def test_a_finished_search_is_answered_without_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _search(tmp_path, workers=2)
    started: list[object] = []
    monkeypatch.setattr(LocalLauncher, "run", lambda launcher, look: started.append(launcher))
    again = _search(tmp_path, workers=2)
    assert again.comparison == first.comparison
    assert not started
    monkeypatch.undo()
    more = _search(tmp_path, workers=2, generations=7)
    assert len(more.to_frame()) == 70, "what is not finished is worked on"


def test_workers_may_be_killed_at_any_time(alone: SearchResult, tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "study.db")
    killed: list[int] = []
    chance = random.Random(0)
    done = threading.Event()

    def kill() -> None:
        seen = 0
        while not done.wait(0.05):
            trials = _trials(storage)
            finished = sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
            running = [worker_of(trial) for trial in trials if trial.state == TrialState.RUNNING]
            if running and finished >= seen + 8 and len(killed) < 5:
                killed.append(chance.choice(running).pid)
                seen = finished
                with suppress(ProcessLookupError):
                    os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        disturbed = _search(tmp_path, workers=2)
    finally:
        done.set()
        killer.join()
    assert len(killed) == 5
    assert _outcome(disturbed) == _outcome(alone)
    assert disturbed.comparison == alone.comparison


def test_the_command_line_starts_workers_that_know_its_modules(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "mine.py").write_text(
        "from tests.search.toy import Outspoken, ToyData\n\n\n"
        "class Model(Outspoken):\n    pass\n\n\nclass Data(ToyData):\n    pass\n"
    )
    monkeypatch.chdir(tmp_path)
    arguments = [
        "--model=mine.Model", "--model.width=5", "--data=mine.Data", "--trainer.accelerator=cpu",
        "--trainer.max_epochs=1", "--search.workers=2", "--search.generations=2", "--search.population_size=6",
        "--search.comparison_seeds=0", "--search.finalist_seeds=1", "--search.time_budget=1h",
    ]  # fmt: skip
    assert main(["search", *arguments]) == 0
    assert "The discovered loss" in capsys.readouterr().out
    assert _heard_of_workers(caplog)
    plan = optuna.load_study(study_name="search", storage="sqlite:///runs/search/study.db").user_attrs[PLAN]
    assert plan == {"seconds": 3600.0, "at_most": 2, "generations": 2, "final": True}
    written = Configuration.read(tmp_path / "runs" / "search").settings
    assert (written.generations, written.time_budget) == (2, None)
    storage = open_storage(tmp_path / "runs" / "search" / "study.db")
    assert len({WorkerIdentity.of_worker(trial) for trial in _trials(storage)}) == 2
    assert main(["search", *arguments, "--search.monitor=val_f1"]) == 2
    assert "val_f1" in capsys.readouterr().err


def test_sigterm_ends_all_workers_and_gives_their_candidates_back(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from glo_lightning.search import LossSearch\n"
        "from tests.search.toy import TRAINER, ToyData, ToyModel\n"
        "if __name__ == '__main__':\n"
        "    search = LossSearch(generations=10_000, workers=2, monitor='val_loss', mode='min', study_name='toy')\n"
        "    search.run(ToyModel, ToyData(), TRAINER)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    database = tmp_path / "runs" / "toy" / "study.db"
    storage = _wait_for(lambda: open_storage(database) if database.exists() else None)
    trials = _wait_for(lambda: [t for t in _trials(storage) if len(_trials(storage)) > 6])
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=240)
    assert "KeyboardInterrupt" in errors.splitlines()[-1]
    assert not [trial for trial in _trials(storage) if trial.state == TrialState.RUNNING]
    for worker in map(worker_of, trials):
        with pytest.raises(ProcessLookupError):
            os.kill(worker.pid, 0)


def test_the_same_command_in_two_terminals_is_one_search(alone: SearchResult, tmp_path: Path) -> None:
    results: list[SearchResult] = []
    threads = [threading.Thread(target=lambda: results.append(_search(tmp_path, workers=2))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [_outcome(result) for result in results] == [_outcome(alone)] * 2
    assert [result.comparison for result in results] == [alone.comparison] * 2


def test_workers_that_never_live_long_enough_to_begin_end_the_search(tmp_path: Path) -> None:
    with pytest.raises(GloError, match="deaths without a finished training between them, the last by signal SIGKILL"):
        _search(tmp_path, model=works.DiesOnArrival(), workers=2)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"storage": "memory"}, "storage that several processes share"),
        ({"monitor": "val_f1"}, "val_f1"),
        ({"trainer": {"accelerator": "gpu", "devices": 2}}, "Trainer that can be built on this machine"),
        ({"trainer": {"strategy": "ddp_spawn", "devices": 2}}, "--trainer.strategy=ddp"),
        ({"trainer": {"num_nodes": 2}}, "torchrun"),
        ({"model": lambda: ToyModel()}, "sent to other processes"),
    ],
)
def test_what_workers_cannot_do_is_refused(changes: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(GloError, match=text):
        _search(tmp_path, workers=2, **changes)
