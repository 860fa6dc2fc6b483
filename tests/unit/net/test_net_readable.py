"""Requests to an upstream whose replies are read on the way, and upstreams that are made when they are needed."""

from __future__ import annotations

import pytest

from proxy.config import RelayConfig, TlsConfig
from proxy.net import on_demand
from proxy.net.http1 import heads
from proxy.net.http2 import fields
from proxy.net.on_demand import OnDemand
from proxy.net.upstream import Upstream


def test_http1_asks_for_no_compression_whatever_the_client_takes() -> None:
    asked = b"GET /indexes HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, br\r\nApi-Key: k\r\n\r\n"
    assert heads.uncompressed(asked) == b"GET /indexes HTTP/1.1\r\nHost: a\r\nApi-Key: k\r\nAccept-Encoding: identity\r\n\r\n"
    # Where a client says nothing, any compression would do.
    silent = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert b"Accept-Encoding: identity" in heads.uncompressed(silent)


def test_http2_asks_for_no_compression_whatever_the_client_takes() -> None:
    pseudo = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"a")]
    block = fields.encode([*pseudo, (b"accept-encoding", b"gzip"), (b"api-key", b"k")])
    changed = fields.uncompressed(block)
    assert list(fields.walk(changed)) == [*pseudo, (b"api-key", b"k"), (b"accept-encoding", b"identity")]


@pytest.mark.parametrize(
    ("given", "authority"),
    [
        ([(b":authority", b"a.test:1")], b"a.test:1"),
        ([(b":authority", b"a.test"), (b"host", b"b.test")], b"a.test"),
        ([(b"host", b"b.test")], b"b.test"),
        ([], b""),
    ],
)
def test_http2_tells_under_which_name_a_client_came(given, authority) -> None:
    pseudo = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/")]
    block = fields.encode([*pseudo, *sorted(given)])
    assert fields.request_head(block).authority == authority


def test_http1_tells_under_which_name_a_client_came() -> None:
    assert heads.request(b"GET / HTTP/1.1\r\nhost: a.test:1\r\n\r\n").head.authority == b"a.test:1"
    assert heads.request(b"GET / HTTP/1.0\r\n\r\n").head.authority == b""


async def test_of_too_many_upstreams_the_one_that_was_asked_for_longest_ago_goes(monkeypatch) -> None:
    monkeypatch.setattr(on_demand, "LIMIT", 2)
    made: list[str] = []

    def make(role: str) -> Upstream:
        made.append(role)
        return Upstream(role, "http://127.0.0.1:1", TlsConfig(), RelayConfig())

    upstreams = OnDemand({}, make)
    for role in ("a", "b", "a", "c", "a", "b"):
        assert upstreams[role].name == role
    assert made == ["a", "b", "c", "b"]
    assert set(upstreams) == {"a", "b"}
    await upstreams.close()
