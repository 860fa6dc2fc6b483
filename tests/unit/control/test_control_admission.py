"""Who may command the sidecar, over real sockets."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from proxy.config import parse
from proxy.control import http
from proxy.control.admission import OPEN_PATHS
from proxy.errors import ConfigError

TOKEN = "s3cret"
GUARDED = {"admin": {"token": TOKEN}}


async def raw(url: str, *lines: bytes, wait: float = 10) -> bytes:
    """All that the port says to these lines."""
    host, _, number = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(number))
    writer.write(b"\r\n".join(lines))
    try:
        return await asyncio.wait_for(reader.read(), wait)
    finally:
        writer.transport.abort()


async def status_of(url: str, request: bytes, *headers: bytes) -> int:
    return int((await raw(url, request + b" HTTP/1.1", b"Connection: close", *headers, b"", b"")).split()[1])


async def test_no_call_but_health_is_answered_without_the_token(desk) -> None:
    async with desk(**GUARDED) as it:
        routes = http.application(it.sidecar.operator, it.sidecar.config.admin).router.routes()
        calls = {(route.method, route.resource.canonical.replace("{", "").replace("}", "")) for route in routes}
        assert len(calls) > 20
        for method, path in {*calls, ("GET", "/nonsense"), ("OPTIONS", "/v1/status"), ("GET", "//healthz")}:
            async with it.client.request(method, it.url + path, headers={"authorization": "Bearer wrong"}) as reply:
                assert (reply.status == 401) is (path not in OPEN_PATHS), (method, path)
                if reply.status == 401 and method != "HEAD":
                    assert "VECFERRY_ADMIN_TOKEN" in (await reply.json())["error"]
                    assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        (b"Bearer s3cret", 200),
        (b"bearer s3cret", 200),
        (b"s3cret", 401),
        (b"Basic s3cret", 401),
        (b"Bearer", 401),
        (b"Bearer s3cre", 401),
        (b"Bearer s3crets", 401),
        (b"Bearer \xff\xfe", 401),
    ],
)
async def test_only_the_whole_token_is_the_token(desk, shown: bytes, status: int) -> None:
    async with desk(**GUARDED) as it:
        assert await status_of(it.url, b"GET /v1/history", b"Host: x", b"Authorization: " + shown) == status


PAGES = {
    "the command line": ([b"Host: 127.0.0.1:9900"], 200),
    "by name": ([b"Host: localhost:9900"], 200),
    "by IPv6": ([b"Host: [::1]:9900"], 200),
    "by IPv6 without a port": ([b"Host: [::1]"], 200),
    "a page of its own": ([b"Host: 127.0.0.1:9900", b"Origin: http://127.0.0.1:9900"], 200),
    "a page of another origin": ([b"Host: 127.0.0.1:9900", b"Origin: http://evil.example"], 403),
    "a page of no origin": ([b"Host: 127.0.0.1:9900", b"Origin: null"], 403),
    "a page under a name that points here": ([b"Host: evil.example:9900", b"Origin: http://evil.example:9900"], 403),
    "a page that only reads": ([b"Host: evil.example"], 403),
    "a name like an address": ([b"Host: 127.0.0.1.evil.example"], 403),
}


@pytest.mark.parametrize(("headers", "status"), PAGES.values(), ids=PAGES)
async def test_no_web_page_commands_a_sidecar_without_a_token(desk, headers: list[bytes], status: int) -> None:
    async with desk() as it:
        assert await status_of(it.url, b"POST /v1/pause/mirror", *headers) == status
        assert it.sidecar.parts.mirror.status().paused is (status == 200)


async def test_probes_may_come_under_any_name(desk) -> None:
    async with desk() as it:
        assert await status_of(it.url, b"GET /healthz", b"Host: shop-0.shop.svc:9900") == 200


async def test_an_open_port_answers_under_any_name(desk) -> None:
    async with desk(admin={"open": True}) as it:
        assert await status_of(it.url, b"GET /metrics", b"Host: shop-0.shop.svc:9900") == 200
        assert await status_of(it.url, b"POST /v1/pause/mirror", b"Host: shop", b"Origin: http://evil.example") == 403


async def test_no_page_is_told_that_it_may_read(desk) -> None:
    async with desk() as it, it.client.get(it.url + "/v1/status", headers={"origin": it.url}) as reply:
        assert reply.status == 200
        assert not any(name.lower().startswith("access-control") for name in reply.headers)


def settings(**admin: Any) -> dict[str, Any]:
    return {
        "source": {"product": "milvus", "url": "http://a:1"},
        "listen": {"grpc": "127.0.0.1:1"},
        "admin": admin,
    }


@pytest.mark.parametrize("address", ["0.0.0.0:9900", ":9900", "[::]:9900", "10.0.0.7:9900", "shop.svc:9900"])
def test_an_address_beyond_this_machine_needs_a_token_or_a_word(address: str) -> None:
    with pytest.raises(ConfigError, match=r"admin: .*can be reached from other machines.*admin.token.*admin.open"):
        parse(settings(address=address))
    assert parse(settings(address=address, open=True)).admin.open
    assert parse(settings(address=address, token=TOKEN)).admin.token


@pytest.mark.parametrize("address", ["127.0.0.1:9900", "127.8.8.8:9900", "[::1]:9900", "localhost:9900"])
def test_this_machine_alone_needs_none(address: str) -> None:
    assert parse(settings(address=address)).admin.token is None
    assert parse(settings()).admin.address == "127.0.0.1:9900"


@pytest.mark.parametrize("empty", ["", "\n", " "])
def test_an_empty_secret_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    (tmp_path / "token").write_text(empty)
    monkeypatch.setenv("EMPTY_TOKEN", "")
    for token in ({"file": str(tmp_path / "token")}, {"env": "EMPTY_TOKEN"}, ""):
        with pytest.raises(ConfigError, match=r"admin\.token: the secret is empty"):
            parse(settings(token=token))


@pytest.mark.parametrize("token", ["two words", "línea", "a\nb"])
def test_a_token_that_no_header_carries_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ConfigError, match=r"admin\.token: must be printable ASCII") as refused:
        parse(settings(token=token))
    assert token not in str(refused.value)


@pytest.mark.parametrize("how", ["environment", "file", "file by environment", "argument"])
async def test_the_command_line_shows_the_token(desk, tmp_path: Path, monkeypatch, how: str) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    if how == "file by environment":
        monkeypatch.setenv("VECFERRY_ADMIN_TOKEN_FILE", str(file))
    arguments = {"file": ("--token-file", str(file)), "argument": ("--token", TOKEN)}.get(how, ())
    async with desk(**GUARDED) as it:
        ran = await it.run("history", *arguments, token=TOKEN if how == "environment" else None)
        assert ran.exit_code == 0, ran.output


async def test_the_command_line_says_what_is_wrong_with_its_token(desk, tmp_path: Path) -> None:
    async with desk(**GUARDED) as it:
        for token in (None, "wrong", "wröng"):
            ran = await it.run("history", token=token)
            assert (ran.exit_code, "VECFERRY_ADMIN_TOKEN" in ran.output) == (1, True)
        ran = await it.run("history", "--token-file", str(tmp_path / "none"))
        assert (ran.exit_code, "No such file" in ran.output) == (2, True)


# ---- the port ----


async def test_more_connections_than_allowed_are_closed_and_the_others_served(desk) -> None:
    async with desk(limits={"most": 3}) as it:
        host, _, number = it.url.removeprefix("http://").rpartition(":")
        held = [await asyncio.open_connection(host, int(number)) for _ in range(3)]
        assert await raw(it.url) == b""
        held[0][1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await held[0][0].readline()).startswith(b"HTTP/1.1 200")
        held.pop()[1].close()
        async with asyncio.timeout(10):
            while await raw(it.url, b"GET /healthz HTTP/1.0", b"", b"") == b"":
                """The place of the one that left is free when its end was seen."""
        for _, writer in held:
            writer.transport.abort()


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Y: z"])
async def test_a_head_that_does_not_come_ends_its_connection(desk, sent: bytes) -> None:
    async with desk(limits={"patience": 0.3}) as it:
        assert await raw(it.url, sent) == b""


async def test_a_head_that_trickles_ends_its_connection(desk) -> None:
    async with desk(limits={"patience": 0.3}) as it:
        host, _, number = it.url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(number))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: ")
        told = asyncio.ensure_future(reader.read())
        async with asyncio.timeout(10):
            while not (await asyncio.wait([told], timeout=0.02))[0]:
                writer.write(b"x")
        with suppress(ConnectionResetError):  # a byte that came after the end is answered so
            assert await told == b""
        writer.transport.abort()


async def test_a_body_that_does_not_come_is_given_up(desk, monkeypatch) -> None:
    monkeypatch.setattr(http, "BODY_SECONDS", 0.2)
    async with desk() as it:
        assert await status_of(it.url, b"POST /v1/phase", b"Host: localhost", b"Content-Length: 5") == 408


async def test_what_is_too_large_is_refused(desk) -> None:
    async with desk() as it:
        assert await status_of(it.url, b"POST /v1/phase", b"Host: localhost", b"X: " + b"y" * 20_000) == 400
        assert await status_of(it.url, b"POST /v1/phase", b"Host: localhost", *[b"X: y"] * 1000) == 400
        async with it.client.post(it.url + "/v1/phase", data=io.BytesIO(b" " * (http.MAX_BODY + 1))) as reply:
            assert reply.status == 413
