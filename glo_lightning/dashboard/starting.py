"""The page that is there before the search is."""

import json
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="1">
<title>starting</title>
<style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 34rem; padding: 0 1rem; }}</style>
</head>
<body>
<h1>Starting</h1>
<p>{words}</p>
<p>This page shows the search as soon as it is there.</p>
</body>
</html>
"""


class StartingPage:
    """A WSGI application that says what is waited for.

    Attributes:
        words: what is waited for, in a sentence.
    """

    def __init__(self) -> None:
        self.words = "The dashboard is loading."

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        if environ.get("PATH_INFO", "").startswith("/api"):
            status, kind, text = "503 Service Unavailable", "application/json", json.dumps({"reason": self.words})
        else:
            status, kind, text = "200 OK", "text/html; charset=utf-8", PAGE.format(words=escape(self.words))
        body = text.encode()
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return [body]
