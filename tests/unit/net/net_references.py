"""How others read the same bytes: h11 and httptools for HTTP/1.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import h11
import httptools


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as its reader understood it."""

    method: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


def by_h11(wire: bytes) -> list[Seen]:
    """All whole requests in it, up to the first thing that it refuses."""
    connection, found = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20), []
    connection.receive_data(wire)
    try:
        while (request := connection.next_event()) is not h11.NEED_DATA and isinstance(request, h11.Request):
            body = b""
            while isinstance(event := connection.next_event(), h11.Data):
                body += event.data
            if not isinstance(event, h11.EndOfMessage):
                break
            found.append(Seen(request.method, request.target, tuple(request.headers), body))
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                break
            connection.start_next_cycle()
    except (h11.RemoteProtocolError, h11.LocalProtocolError):
        pass
    return found


class _Told:
    def __init__(self) -> None:
        self.url = self.body = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.complete = 0
        self.trailing = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.trailing:
            self.fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.trailing = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


def by_llhttp(wire: bytes) -> list[Seen]:
    """Of one request."""
    told = _Told()
    parser: Any = httptools.HttpRequestParser(told)
    try:
        parser.feed_data(wire)
    except httptools.HttpParserError:
        return []
    if told.complete != 1:
        return []
    return [Seen(parser.get_method(), told.url, tuple(told.fields), told.body)]
