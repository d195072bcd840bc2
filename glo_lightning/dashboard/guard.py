"""Keep other web pages away from the dashboard, which has no password, and nonsense away from optuna-dashboard."""

import io
import ipaddress
import json
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application: PEP 3333."""

READS = ("GET", "HEAD", "OPTIONS")
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
ANY = frozenset({"", "0.0.0.0", "::"})


def guard(application: Application, hosts: Collection[str]) -> Application:
    """Answer only what this machine's browsers ask of this dashboard.

    A page of another site can have the browser send anything here. It is told apart by its name: under which name it
    reached this address (rebinding its own name to it), or in whose name it writes.

    Args:
        application: answers the rest.
        hosts: names of the address that is listened on, beside those of this machine for itself; with one that means
            all its addresses, any number is answered, too, because nobody can rebind that.
    """

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, why = _judge(environ, hosts)
        if status:
            return refuse(start_response, status, why)
        environ.setdefault("HTTP_ACCEPT_ENCODING", "identity")  # optuna-dashboard fails without
        return application(environ, start_response)

    return guarded


def refuse(start_response: Callable[..., Any], status: str, why: str) -> list[bytes]:
    """Answer with an error in optuna-dashboard's form."""
    body = json.dumps({"reason": why}).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _judge(environ: dict[str, Any], hosts: Collection[str]) -> tuple[str, str]:
    """Return status and reason of a refusal; empty if there is none. The body of a write becomes a JSON object."""
    asked = environ.get("HTTP_HOST", "")
    if not _is_ours(_name(f"//{asked}"), hosts):
        return "421 Misdirected Request", f"This dashboard is not {asked or 'one without a name'}; see --host."
    if environ["REQUEST_METHOD"] in READS:
        return "", ""
    writer = environ.get("HTTP_ORIGIN") or environ.get("HTTP_REFERER")
    if writer and _address(writer) != _address(f"//{asked}"):
        return "403 Forbidden", f"A page of {writer} may not change what is here."
    try:
        body = _read_object(environ)
    except (ValueError, RecursionError) as error:
        return "400 Bad Request", f"A body that is a JSON object, of type application/json, was expected: {error}."
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"] = "application/json", str(len(body))
    return "", ""


def _is_ours(name: str, hosts: Collection[str]) -> bool:
    if name in LOCAL or name in hosts:
        return True
    if ANY.isdisjoint(hosts):
        return False
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return name in (socket.gethostname().lower(), socket.getfqdn().lower())


def _name(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _address(address: str) -> tuple[str, int | None]:
    try:
        return _name(address), urlsplit(address).port
    except ValueError:
        return "", None


def _read_object(environ: Mapping[str, Any]) -> bytes:
    """Return a body that holds a JSON object; none at all is an empty one."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length) if length > 0 else b""
    if not body.strip():
        return b"{}"
    kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ValueError(f"got {kind or 'no type'}")
    if not isinstance(json.loads(body), dict):
        raise ValueError("got something else")
    return body
