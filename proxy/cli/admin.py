"""A call of the admin API, as the commands make it.

Owns: the client, its credentials, what a failure prints. Not: the commands (calls.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import httpx

from proxy.cli.terminal import FAILED, REFUSED, UNREACHABLE, USAGE, console, errors, fail
from proxy.control import render

_ADDRESS: Final = "its address is `admin.address` of the config file, given with --admin or VECFERRY_ADMIN"


class Admin:
    """The admin API of one sidecar. `json_output`: print what it says as it says it."""

    def __init__(self, client: httpx.Client, json_output: bool) -> None:
        self._http = client
        self.json_output = json_output

    def call(self, method: str, path: str, **body: Any) -> Any:
        """The reply's JSON. Ends the program where it is not a success."""
        given = {name: value for name, value in body.items() if value not in (None, ())}
        try:
            asks = method == "GET"
            reply = self._http.request(method, path, params=given if asks else None, json=None if asks else given)
        except httpx.UnsupportedProtocol as error:
            fail(USAGE, f"--admin {str(self._http.base_url).rstrip('/')}: {error}")
        except httpx.HTTPError as error:
            fail(UNREACHABLE, f"cannot reach the admin API at {self._http.base_url}: {error}; {_ADDRESS}")
        document = self._document(reply)
        return document if reply.is_success else self._failed(reply, document)

    def _document(self, reply: httpx.Response) -> Any:
        """Of ours only: another server may stand at a wrong address."""
        try:
            document = reply.json()
        except ValueError:
            document = None
        said = f"{reply.status_code} {reply.text[:200]}".strip()
        if document is None and reply.is_server_error:
            fail(FAILED, said)
        if document is None or not (reply.is_success or "error" in document):
            fail(UNREACHABLE, f"what answers at {self._http.base_url} is not the admin API of a sidecar ({said}); {_ADDRESS}")
        return document

    def _failed(self, reply: httpx.Response, document: Any) -> NoReturn:
        if self.json_output:
            print(json.dumps(document, indent=2))  # noqa: T201
            sys.exit(FAILED if reply.status_code >= 500 else REFUSED)
        if "gates" in document:
            errors.print(render.gates(document["gates"]))
        fail(FAILED if reply.status_code >= 500 else REFUSED, document["error"])

    def show(self, document: Any, text: Callable[[Any], Any]) -> None:
        if self.json_output:
            print(json.dumps(document, indent=2))  # noqa: T201
        else:
            console.print(text(document))


def operator(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that every call of the admin API has; the command gets an Admin first."""

    @click.option(
        "--admin", "url", default="http://127.0.0.1:9900", envvar="VECFERRY_ADMIN", show_default=True, help="Admin API."
    )
    @click.option("--token", envvar="VECFERRY_ADMIN_TOKEN", help="Its token; here others on this machine can see it.")
    @click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        envvar="VECFERRY_ADMIN_TOKEN_FILE",
        help="The file that holds its token.",
    )
    @click.option("--json", "json_output", is_flag=True, help="Print JSON.")
    def wrapped(url: str, token: str | None, token_file: Path | None, json_output: bool, **given: Any) -> Any:
        shown = token or _read_token(token_file)
        headers = {b"authorization": f"Bearer {shown}".encode()} if shown else {}
        try:
            client = httpx.Client(base_url=url, headers=headers, timeout=120.0)
        except httpx.InvalidURL as error:
            fail(USAGE, f"--admin {url}: {error}")
        with client:
            return command(Admin(client, json_output), **given)

    wrapped.__name__ = command.__name__
    wrapped.__doc__ = command.__doc__
    return wrapped


def _read_token(path: Path | None) -> str:
    try:
        return path.read_text("utf-8").strip() if path is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        fail(USAGE, f"--token-file {path}: {error.strerror if isinstance(error, OSError) else 'no text'}")
