"""Requests to an upstream whose replies are read on the way, and upstreams that are made when they are needed."""

from __future__ import annotations

import pytest

from proxy.config import RelayConfig, TlsConfig
from proxy.net import on_demand
from proxy.net.ends import Rewrite
from proxy.net.http1 import heads
from proxy.net.http2 import fields
from proxy.net.on_demand import OnDemand
from proxy.net.upstream import Upstream

READABLE = Rewrite(dropped=frozenset({b"accept-encoding"}), added=((b"accept-encoding", b"identity"),))


async def test_an_upstream_is_asked_for_no_compression_whatever_the_client_takes() -> None:
    upstream = Upstream("u", "http://u.test", TlsConfig(), RelayConfig(), readable=True)
    assert {pool.port.rewrite for pool in upstream._pools.values()} == {READABLE}
    await upstream.close()


async def test_an_upstream_goes_by_its_own_name_where_it_is_told_to() -> None:
    named = Upstream("u", "http://u.test:1", TlsConfig(), RelayConfig(), rewrite_host=True)
    assert {pool.port.rewrite for pool in named._pools.values()} == {Rewrite(authority=b"u.test:1")}
    plain = Upstream("u", "http://u.test:1", TlsConfig(), RelayConfig())
    assert {pool.port.rewrite for pool in plain._pools.values()} == {None}
    for upstream in (named, plain):
        await upstream.close()


def test_what_the_client_takes_is_replaced_in_both_protocols() -> None:
    asked = b"GET /indexes HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, br\r\nApi-Key: k\r\n\r\n"
    plain = b"GET /indexes HTTP/1.1\r\nHost: a\r\nApi-Key: k\r\naccept-encoding: identity\r\n\r\n"
    assert heads.rewritten(asked, READABLE) == plain
    pseudo = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"a")]
    block = fields.encode([*pseudo, (b"accept-encoding", b"gzip"), (b"api-key", b"k")])
    changed = fields.rewritten(block, READABLE)
    assert list(fields.walk(changed)) == [*pseudo, (b"api-key", b"k"), (b"accept-encoding", b"identity")]


@pytest.mark.parametrize(
    ("given", "authority"),
    [
        ([(b":authority", b"a.test:1")], b"a.test:1"),
        ([(b":authority", b"a.test"), (b"host", b"a.test")], b"a.test"),
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
