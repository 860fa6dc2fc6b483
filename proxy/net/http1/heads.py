"""Heads of HTTP/1.1 messages: found, parsed with llhttp, judged, and what a proxy must change in them (RFC 9112).

A head goes on as the bytes that came; only where it has fields for one hop is it written anew without them.
Owns: heads and the framing they announce. Not: bodies (bodies), connections (inbound, outbound).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import httptools

from proxy.net import targets
from proxy.net.ends import RequestHead, Rewrite
from proxy.ports import Headers

END: Final = b"\r\n\r\n"
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2
_CACHED_HEAD: Final = 1024
"""Bytes; larger heads are parsed each time, so that the caches stay below some megabytes."""
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] [0-9]{3}(?: [\t\x20-\x7e\x80-\xff]*)?\r\n")
"""llhttp lets more stand before and in it."""
_ONE_HOP: Final = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"http2-settings"})
_FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""A sender that names them in Connection would have us change where the message ends."""


class BadHead(Exception):
    """Refused with this status; the connection ends, because where the message ends is unknown."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    head: RequestHead
    wire: bytes
    """To be sent on: to a path, without fields for one hop, without Expect."""
    body: int
    """Bytes, or CHUNKED."""
    keep_alive: bool
    modern: bool
    """HTTP/1.1: 1xx replies are understood."""
    expects: bool
    """The client waits for 100 Continue before it sends the body."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Headers
    wire: bytes
    body: int
    """Bytes, CHUNKED or UNTIL_CLOSE."""
    keep_alive: bool


class _Fields:
    """What llhttp calls back."""

    def __init__(self) -> None:
        self.url = b""
        self.raw: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, part: bytes) -> None:
        self.url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.raw.append((name, value.rstrip(b" \t")))  # llhttp leaves the blanks behind it

    def on_headers_complete(self) -> None:
        self.complete = True

    @property
    def headers(self) -> Headers:
        return tuple((name.lower(), value) for name, value in self.raw)


def request(wire: bytes) -> Request:
    """Of a whole head with its empty line. Raises BadHead."""
    return _request(wire) if len(wire) <= _CACHED_HEAD else _request.__wrapped__(wire)


def reply(wire: bytes, *, bodiless: bool) -> Reply:
    """`bodiless`: to HEAD. Raises BadHead."""
    return _reply(wire, bodiless) if len(wire) <= _CACHED_HEAD else _reply.__wrapped__(wire, bodiless)


def closing(wire: bytes) -> bytes:
    """The same reply's head, telling the client that the connection ends with it."""
    return _closing(wire) if len(wire) <= _CACHED_HEAD else _closing.__wrapped__(wire)


def rewritten(wire: bytes, rewrite: Rewrite) -> bytes:
    """The same request's head as another upstream is told it."""
    return _rewritten(wire, rewrite) if len(wire) <= _CACHED_HEAD else _rewritten.__wrapped__(wire, rewrite)


@lru_cache(1024)
def _closing(wire: bytes) -> bytes:
    start, _, _ = wire.partition(b"\r\n")
    fields = _Fields()
    httptools.HttpResponseParser(fields).feed_data(wire)
    kept = [(name, value) for name, value in fields.raw if name.lower() not in (b"connection", b"keep-alive")]
    return _write(start, [*kept, (b"Connection", b"close")])


@lru_cache(1024)
def _rewritten(wire: bytes, rewrite: Rewrite) -> bytes:
    start, _, _ = wire.partition(b"\r\n")
    fields = _Fields()
    httptools.HttpRequestParser(fields).feed_data(wire)
    kept = [(name, value) for name, value in fields.raw if name.lower() not in rewrite.dropped]
    if (host := rewrite.authority) is not None:
        kept = [(name, host if name.lower() == b"host" else value) for name, value in kept]
    return _write(start, [*kept, *rewrite.added])


def _write(start: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
    return b"\r\n".join([start, *(name + b": " + value for name, value in fields), b"", b""])


@lru_cache(1024)
def _request(wire: bytes) -> Request:
    fields = _Fields()
    parser = httptools.HttpRequestParser(fields)
    try:
        parser.feed_data(wire)
    except httptools.HttpParserUpgrade:
        """Not offered: the request goes on without it."""
    except httptools.HttpParserInvalidMethodError as error:
        raise BadHead(501, "the method is unknown") from error
    except httptools.HttpParserError as error:
        raise BadHead(400, str(error)) from error
    method, version = parser.get_method(), parser.get_http_version()
    headers = fields.headers
    path = _checked(wire, method, version, fields, headers)
    body = 0 if (declared := _declared_body(headers)) == UNTIL_CLOSE else declared
    head = RequestHead(method, path, headers, body if body >= 0 else None, dict(headers).get(b"host", b""))
    modern = version == "1.1"
    expects = modern and _expects(headers) and body != 0
    onward = _for_upstream(wire, fields.raw, headers)
    if path != fields.url:
        onward = onward.replace(b" %s " % fields.url, b" %s " % path, 1)
    return Request(head, onward, body, modern and b"close" not in _tokens(headers, b"connection"), modern, expects)


def _checked(wire: bytes, method: bytes, version: str, fields: _Fields, headers: Headers) -> bytes:
    """The path; refuses what llhttp lets pass."""
    if version not in ("1.0", "1.1"):
        raise BadHead(505, "only HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken")
    if method == b"CONNECT":
        raise BadHead(501, "CONNECT is not offered")
    if not fields.complete or not wire.startswith(b"%s %s HTTP/%s\r\n" % (method, fields.url, version.encode())):
        raise BadHead(400, "a malformed request line")
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise BadHead(400, "there must be one Host")
    if version == "1.0" and any(name == b"transfer-encoding" for name, _ in headers):
        raise BadHead(400, "HTTP/1.0 has no Transfer-Encoding")
    try:
        return targets.path(method, fields.url, hosts[0] if hosts else b"")
    except targets.BadTarget as error:
        raise BadHead(400, str(error)) from error


def _declared_body(headers: Headers) -> int:
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    lengths = [value for name, value in headers if name == b"content-length"]
    if codings and (len(codings) > 1 or lengths or codings[0].lower() != b"chunked"):
        raise BadHead(400 if lengths else 501, "no other transfer coding than chunked is spoken")
    if codings:
        return CHUNKED
    if len(lengths) > 1 or any(not value.isdigit() or len(value) > 18 for value in lengths):
        raise BadHead(400, "there must be one Content-Length")
    return int(lengths[0]) if lengths else UNTIL_CLOSE


def _expects(headers: Headers) -> bool:
    expected = [value.lower() for name, value in headers if name == b"expect"]
    if expected and expected != [b"100-continue"]:
        raise BadHead(417, "only 100-continue can be expected")
    return bool(expected)


def _tokens(headers: Headers, field: bytes) -> set[bytes]:
    return {token.strip().lower() for name, value in headers if name == field for token in value.split(b",")}


def _for_upstream(wire: bytes, raw: list[tuple[bytes, bytes]], headers: Headers) -> bytes:
    dropped = (_ONE_HOP | _tokens(headers, b"connection") | {b"expect"}) - _FRAMING
    kept = [(name, value) for name, value in raw if name.lower() not in dropped]
    if len(kept) == len(raw):
        return wire
    return _write(wire.partition(b"\r\n")[0], kept)


@lru_cache(1024)
def _reply(wire: bytes, bodiless: bool) -> Reply:
    fields = _Fields()
    parser = httptools.HttpResponseParser(fields)
    try:
        parser.feed_data(wire)
    except httptools.HttpParserUpgrade as error:
        raise BadHead(502, "the upstream switches protocols unasked") from error
    except httptools.HttpParserError as error:
        raise BadHead(502, str(error)) from error
    status, headers = parser.get_status_code(), fields.headers
    if not fields.complete or not _STATUS_LINE.match(wire) or status < 100 or status == 101:
        raise BadHead(502, "the upstream's reply has no sound head")
    declared = _declared_body(headers)
    body = 0 if bodiless or status < 200 or status in (204, 304) else declared
    modern = parser.get_http_version() == "1.1"
    if declared == CHUNKED and not modern:
        raise BadHead(502, "HTTP/1.0 has no Transfer-Encoding")
    keep_alive = modern and b"close" not in _tokens(headers, b"connection") and body != UNTIL_CLOSE
    found = Reply(status, headers, wire, body, keep_alive)
    return _for_client(found, fields.raw)


def _for_client(found: Reply, raw: list[tuple[bytes, bytes]]) -> Reply:
    dropped = (_ONE_HOP | _tokens(found.headers, b"connection")) - _FRAMING
    kept = [(name, value) for name, value in raw if name.lower() not in dropped]
    if len(kept) == len(raw):
        return found
    return replace(found, wire=_write(found.wire.partition(b"\r\n")[0], kept))
