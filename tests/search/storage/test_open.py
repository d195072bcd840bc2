import json
import math
import os
import resource
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import chdir, closing, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from glo_lightning.errors import StudyError
from glo_lightning.search.storage import open as open_module
from glo_lightning.search.storage.open import open_storage, settled
from tests.search.samplers.cheap_search import POPULATION, candidates, make_sampler, open_study, run
from tests.search.storage.proxies import PROCESSES, free_port, start_proxy


def new_database(server: Any) -> str:
    name = f"study_{time.monotonic_ns()}"
    server.psql(f"create database {name};")
    uri: str = server.get_uri(name)
    return uri


@pytest.fixture(params=["memory", "study.db", "sqlite", "study.log", "journal", "postgres", "grpc"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    kind = request.param
    if kind in ("postgres", "grpc"):
        uri = new_database(request.getfixturevalue("postgres"))
        if kind == "postgres":
            yield uri
            return
        pytest.importorskip("grpc")
        port = free_port()
        proxy = start_proxy(uri, port)
        yield f"grpc://localhost:{port}"
        proxy.kill()
        return
    urls = {"memory": "memory", "sqlite": f"sqlite:///{tmp_path}/a.db", "journal": f"journal://{tmp_path}/a.journal"}
    yield urls.get(kind, str(tmp_path / "new folder" / kind))


def test_a_search_runs_and_numbers_come_back_bit_for_bit(url: str) -> None:
    storage = open_storage(url)
    numbers = [0.1, -1.0 / 3.0, 5e-324, 987654321098.7654, math.nextafter(1e12, 0.0), 1e-300, -123456.789]
    space = {f"theta_{k}": FloatDistribution(-1e12, 1e12) for k in range(len(numbers))}
    params = dict(zip(space, numbers, strict=True))
    study = optuna.create_study(storage=storage, study_name="numbers")
    study.add_trial(create_trial(params=params, distributions=space, value=1.0 / 3.0))
    again = optuna.load_study(storage=storage if url == "memory" else open_storage(url), study_name="numbers")
    (trial,) = again.trials
    for name, number in params.items():
        assert struct.pack("d", trial.params[name]) == struct.pack("d", number)
    assert trial.value == 1.0 / 3.0

    study = open_study(storage, make_sampler(2))
    run(study, 4)
    alone = optuna.create_study(sampler=make_sampler(2))
    run(alone)
    assert candidates(study) == candidates(alone)


def test_sqlite_is_opened_for_several_processes(tmp_path: Path) -> None:
    open_storage(tmp_path / "study.db")
    assert sqlite3.connect(tmp_path / "study.db").execute("pragma journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("name", ["study.db", "study.log"])
def test_a_settled_study_is_whole_in_its_file_alone(name: str, tmp_path: Path) -> None:
    with settled(str(tmp_path / name)):
        storage = open_storage(tmp_path / name)
        study = optuna.create_study(storage=storage, study_name="own")
        study.add_trial(create_trial(value=0.5))
    (tmp_path / "copied").mkdir()
    shutil.copy(tmp_path / name, tmp_path / "copied" / name)
    copied = open_storage(tmp_path / "copied" / name, existing=True)
    assert optuna.load_study(storage=copied, study_name="own").best_value == study.best_value


def test_by_default_the_study_is_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_storage()
    assert (tmp_path / "study.db").exists()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_several_processes_may_create_the_same_tables(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"{tmp_path}/study.db" if kind == "sqlite" else new_database(request.getfixturevalue("postgres"))
    processes = [PROCESSES.Process(target=open_storage, args=(url,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0


# What cannot be opened


def refusal(url: Any) -> str:
    with pytest.raises(StudyError) as caught:
        open_storage(url)
    return str(caught.value)


def test_servers_that_do_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_module, "CONNECT_SECONDS", 1)
    message = refusal(f"postgresql://somebody:secret@localhost:{free_port()}/studies")
    assert "refused" in message
    assert "secret" not in message
    pytest.importorskip("grpc")
    assert "no answer" in refusal(f"grpc://localhost:{free_port()}")


def test_a_wrong_password(postgres: Any) -> None:
    postgres.psql("create role guarded login password 'right';")
    access = postgres.pgdata / "pg_hba.conf"
    access.write_text("local all guarded scram-sha-256\n" + access.read_text())
    postgres.psql("select pg_reload_conf();")
    time.sleep(0.2)
    with pytest.raises(StudyError) as caught:
        open_storage(postgres.get_uri().replace("postgres:@", "guarded:wr0ng@"))
    assert 'password authentication failed for user "guarded"' in str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        assert "wr0ng" not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("url", ["mysql://me:secret@host/db", "postgresql+pg8000://me:secret@host/db"])
def test_a_driver_that_is_not_installed(url: str) -> None:
    message = refusal(url)
    assert "driver" in message
    assert "pip install" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    "url", ["nonsense://x", "grpc://localhost", "grpc://:13000", "grpc://host:port", "://", "sqlite3:///a.db"]
)
def test_urls_that_mean_nothing(url: str) -> None:
    assert refusal(url)


def test_a_database_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    open_storage(path)
    assert "readonly" in refusal(f"sqlite:///file:{path}?mode=ro&uri=true")


@pytest.mark.parametrize("name", ["study.db", "study.log"])
def test_a_file_of_another_kind(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("Dear diary,\n" * 100)
    assert name in refusal(path)
    assert path.read_text() == "Dear diary,\n" * 100


def look(folder: Path) -> dict[str, bytes | None]:
    """What lies in a folder, byte for byte."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


both_ways = pytest.mark.parametrize("existing", [False, True], ids=["writing", "reading"])
NO_JOURNALS = {
    "a JSON object without an end of line": b'{"a": 1}',
    "JSON lines": b'{"a": 1}\n{"a": 2}\n',
    "an operation without a worker": b'{"op_code":0}\n',
    "another operation": b'{"op_code":"x","worker_id":"y"}\n',
    "a list": b"[]\n",
    "a deep list": b"[" * 100_000 + b"\n",
    "a number": b"1\n",
    "text": "Liebes Tagebuch ü\n".encode("latin-1"),
    "no end": b"x" * 2_000_000,
    "an empty line": b"\n",
    "an archive": b"PK\x03\x04\x00\xff",
}


@both_ways
@pytest.mark.parametrize("content", NO_JOURNALS.values(), ids=NO_JOURNALS)
def test_what_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes, existing: bool) -> None:
    (tmp_path / "x.log").write_bytes(content)
    with pytest.raises(StudyError, match="a file of another kind"):
        open_storage(tmp_path / "x.log", existing)
    assert look(tmp_path) == {str(tmp_path / "x.log"): content}


@both_ways
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_somebodys_database_is_refused_and_left_as_it_is(tmp_path: Path, mode: str, existing: bool) -> None:
    with closing(sqlite3.connect(tmp_path / "mine.db")) as connection:
        connection.execute(f"pragma journal_mode = {mode}")
        connection.execute("create table songs (title)")
        connection.execute("insert into songs values ('Blackbird')")
        connection.commit()
    before = look(tmp_path)
    assert list(before) == [str(tmp_path / "mine.db")]
    with pytest.raises(StudyError, match="one with the tables songs"):
        open_storage(tmp_path / "mine.db", existing)
    assert look(tmp_path) == before


@both_ways
def test_somebodys_database_is_refused_while_it_is_in_use(tmp_path: Path, existing: bool) -> None:
    with closing(sqlite3.connect(tmp_path / "mine.db")) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table songs (title)")
        connection.commit()
        with pytest.raises(StudyError, match="one with the tables songs"):
            open_storage(tmp_path / "mine.db", existing)
        assert connection.execute("select count(*) from sqlite_master").fetchone() == (1,)


@pytest.mark.parametrize("address", ["{}/new/study.db", "{}/new/study.log", "sqlite:///{}/a.db", "journal://{}/a.log"])
def test_reading_creates_nothing(tmp_path: Path, address: str) -> None:
    with pytest.raises(StudyError, match=r"the file of a study at .*, got none"):
        open_storage(address.format(tmp_path), existing=True)
    assert look(tmp_path) == {}


def test_reading_an_empty_database_creates_no_table(tmp_path: Path) -> None:
    (tmp_path / "study.db").touch()
    os.utime(tmp_path / "study.db", (0, 0))  # otherwise somebody may be about to create tables
    with pytest.raises(StudyError, match="an empty one"):
        open_storage(tmp_path / "study.db", existing=True)
    assert look(tmp_path) == {str(tmp_path / "study.db"): b""}


READ = """
import sys, optuna
from glo_lightning.search.storage.open import open_storage
print(optuna.load_study(study_name="mine", storage=open_storage(sys.argv[1], existing=True)).trials[0].value)
"""


@pytest.mark.parametrize("maker", ["ours", "optuna's"])
@pytest.mark.parametrize("name", ["study.db", "study.log"])
def test_reading_a_study_changes_nothing(tmp_path: Path, name: str, maker: str) -> None:
    path = tmp_path / name
    make = f"""
import sys, optuna
from optuna.storages.journal import JournalFileBackend
from glo_lightning.search.storage.open import open_storage
path = sys.argv[1]
if {maker!r} == "ours":
    storage = open_storage(path)
elif path.endswith(".db"):
    storage = optuna.storages.RDBStorage("sqlite:///" + path)
else:
    storage = optuna.storages.JournalStorage(JournalFileBackend(path))
optuna.create_study(storage=storage, study_name="mine").add_trial(optuna.trial.create_trial(value=0.5))
"""
    subprocess.run([sys.executable, "-c", make, str(path)], capture_output=True, check=True)
    if name == "study.log":
        with path.open("ab") as file:
            file.write(b'{"op_code": 6, "worker')  # a writer died here
    before = look(tmp_path)
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "0.5", done.stderr
    assert look(tmp_path) == before


def test_a_journal_whose_first_line_was_cut_short_is_one(tmp_path: Path) -> None:
    (tmp_path / "study.log").write_bytes(b'{"op_code":0,"wor')
    storage = open_storage(tmp_path / "study.log")
    assert (tmp_path / "study.log").read_bytes() == b'{"op_code":0,"wor'
    assert optuna.create_study(storage=storage, study_name="mine").study_name == "mine"
    assert optuna.load_study(study_name="mine", storage=open_storage(tmp_path / "study.log")).study_name == "mine"


@pytest.mark.parametrize("name", ["study.db", "study.log"])
def test_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert name in refusal(tmp_path / name)


@given(st.text())
def test_any_text_opens_or_is_refused(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder, chdir(folder), suppress(StudyError):
        open_storage(f"{text}://{text}")
        open_storage(text)


# What happens later


def test_a_line_cut_short_is_removed_and_the_journal_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    running = open_study(open_storage(path), make_sampler(2))
    run_one = running.sampler.claim(running)[0]
    with path.open("ab") as file:
        file.write(b'{"op_code": 6, "worker')  # another writer died here
    running.tell(run_one, 1.0)
    with path.open("ab") as file:
        file.write(b'{"op_code"')
    again = open_study(open_storage(path), make_sampler(2))
    run(again)
    assert len(candidates(again)) == 2 * POPULATION
    assert all(json.loads(line) for line in path.read_text().splitlines())


def hold_for_ever(path: str, held: Any) -> None:
    with open_storage(path)._storage._backend._guard:
        held.set()
        time.sleep(60)


def test_a_writer_that_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    path = str(tmp_path / "study.log")
    storage, held = open_storage(path), PROCESSES.Event()
    holder = PROCESSES.Process(target=hold_for_ever, args=(path, held))
    holder.start()
    assert held.wait(60)
    waiting = threading.Thread(target=optuna.create_study, kwargs={"storage": storage})
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    holder.kill()
    waiting.join(10)  # Optuna's own lock would last half a minute
    assert not waiting.is_alive()


@pytest.mark.parametrize("name", ["study.db", "study.log"])
def test_a_full_disk_is_said_and_finished_candidates_are_kept(tmp_path: Path, name: str) -> None:
    study = open_study(open_storage(tmp_path / name), make_sampler(2))
    trials = study.sampler.claim(study, POPULATION)
    for trial in trials:
        study.tell(trial, 1.0)
    largest = max(path.stat().st_size for path in tmp_path.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 700, limits[1]))
    try:
        with pytest.raises(StudyError, match="Finished trials are kept"):
            run(study)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    again = open_study(open_storage(tmp_path / name), make_sampler(2, grace_period=0.2))
    assert {(0, index) for index in range(POPULATION)} <= set(candidates(again))
    run(again)
    assert len(candidates(again)) == 2 * POPULATION
