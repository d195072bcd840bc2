"""What the dashboard answers: real requests to a real server, by whatever name and in whoever's name."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from glo_lightning.dashboard.server import Server
from glo_lightning.dashboard.studies import brief_errors, show_studies
from glo_lightning.search.storage.open import open_storage

pytest.importorskip("optuna_dashboard")

JSON = {"Content-Type": "application/json"}


class Site:
    """A dashboard of one study that listens on an address of this machine."""

    def __init__(self, folder: Path, host: str) -> None:
        self.storage = open_storage("memory")
        optuna.create_study(study_name="mine", storage=self.storage)
        self.server = Server(host, 0, show_studies(self.storage, folder))
        self.port = int(self.server.address.rpartition(":")[2].strip("/"))

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Return status and body of an answer; %p in a header is the port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        filled = {name: value.replace("%p", str(self.port)) for name, value in (headers or {}).items()}
        connection.request(method, path, body, filled)
        answer = connection.getresponse()
        status, text = answer.status, answer.read().decode()
        connection.close()
        return status, text

    @property
    def studies(self) -> list[str]:
        """Names of the studies there are."""
        return sorted(study.study_name for study in self.storage.get_all_studies())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, "127.0.0.1")
    with site.server:
        yield site


@pytest.mark.parametrize(
    "host", ["127.0.0.1:%p", "localhost:%p", "LOCALHOST", "localhost.", "[::1]:%p", "localhost:9000"]
)
def test_this_machine_is_answered_by_every_name_it_has_for_itself(site: Site, host: str) -> None:
    assert site.ask("GET", "/api/studies", headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:%p", "127.0.0.1.evil.example", "localhost.evil.example", "evil.localhost@x", "",
     "192.168.0.7", "[", "[::1", "127.0.0.1@evil.example", "0.0.0.0:%p", "2130706433"],
)  # fmt: skip
@pytest.mark.parametrize(("method", "path"), [("GET", "/api/studies"), ("DELETE", "/api/studies/0"), ("GET", "/")])
def test_no_name_that_was_rebound_to_this_address_is_answered(site: Site, host: str, method: str, path: str) -> None:
    assert site.ask(method, path, headers={"Host": host})[0] == 421
    assert site.studies == ["mine"]


def test_an_address_that_means_all_of_them_is_answered_by_number(tmp_path: Path) -> None:
    site = Site(tmp_path, "0.0.0.0")
    with site.server:
        for host, status in {
            "192.168.0.7:%p": 200,
            "0.0.0.0:%p": 200,
            "localhost:%p": 200,
            "evil.example": 421,
        }.items():
            assert site.ask("GET", "/api/studies", headers={"Host": host})[0] == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:%p"},
        {"Origin": "http://evil.example", "Referer": "http://127.0.0.1:%p/dashboard"},
        {"Referer": "http://evil.example/page"},
        {"Origin": "http://127.0.0.1:%p.evil.example"},
        {"Origin": "http://["},
    ],
)
def test_pages_of_others_change_nothing(site: Site, headers: dict[str, str]) -> None:
    body = json.dumps({"study_name": "other", "directions": ["minimize"]}).encode()
    assert site.ask("DELETE", "/api/studies/0", headers=headers)[0] == 403
    assert site.ask("POST", "/api/studies", body, {**JSON, **headers})[0] == 403
    assert site.ask("POST", "/api/studies", body, {"Content-Type": "text/plain", **headers})[0] == 403
    assert site.ask("PUT", "/api/studies/0/note", b'{"body": "x", "version": 1}', {**JSON, **headers})[0] == 403
    assert site.studies == ["mine"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://127.0.0.1:%p"}, {"Referer": "http://127.0.0.1:%p/dashboard"},
     {"Host": "localhost:9000", "Origin": "http://localhost:9000"}],
)  # fmt: skip
def test_its_own_pages_and_programs_may_write(site: Site, headers: dict[str, str]) -> None:
    body = json.dumps({"study_name": "other", "directions": ["minimize"]}).encode()
    assert site.ask("POST", "/api/studies", body, {**JSON, **headers})[0] == 201
    assert site.studies == ["mine", "other"]
    assert site.ask("PUT", "/api/studies/0/note", b'{"body": "x", "version": 1}', {**JSON, **headers})[0] == 204
    assert site.ask("DELETE", "/api/studies/0", headers=headers)[0] == 204
    assert site.studies == ["other"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"study_name": "other"}', "text/plain"),
        (b"study_name=other", "application/x-www-form-urlencoded"),
        (b'{"study_name": "other"}', ""),
        (b"{", "application/json"),
        (b"[1]", "application/json"),
        (b"3", "application/json; charset=utf-8"),
        (b"\xff", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"", "application/json"),
        (b"", "text/plain"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/api/studies"), ("PUT", "/api/studies/0/note")])
def test_a_body_that_is_not_what_it_should_be_is_said_to_be_so(
    site: Site, method: str, path: str, body: bytes, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    status, text = site.ask(method, path, body, {"Content-Type": kind})
    assert status == 400
    assert json.loads(text)["reason"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert site.studies == ["mine"]


def test_what_fails_inside_is_a_line_without_a_traceback(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with brief_errors():
        assert site.ask("POST", "/api/studies", b'{"study_name": 3, "directions": 5}', JSON)[0] == 500
    (message,) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert message == "Exception: 'int' object is not iterable"


def test_a_program_that_names_no_encoding_gets_the_files(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(b"GET /favicon.ico HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert b" 200 OK" in connection.recv(100)
    assert capsys.readouterr().err == ""
