"""The official gRPC clients of three languages, and curl: each finds at the relay what it would find at the server."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import net_tools
import pytest
from aiohttp import web
from net_grpc_service import Signals, serve

EXPECTED = {
    "unary": "hello",
    "server streaming": 500,
    "client streaming": "1000000",
    "both in turn": [2, 4, 200_000, 0],
    "an error": [5, "nothing é 100 % here"],
    "an unknown method": 12,
    "gzip": 100_000,
    "the deadline": "20",
    "a passed deadline": 4,
    "cancelled": 1,
    "large": True,
    "metadata": ["yes", base64.b64encode(b"\0\xff\1").decode(), "trailer", base64.b64encode(b"\0\xfe").decode()],
}
"""By all of them."""


def _python() -> list[str | Path]:
    return [sys.executable, net_tools.FOREIGN / "sync.py"]


def _go() -> list[str | Path]:
    return [net_tools.go_client()]


def _javascript() -> list[str | Path]:
    modules = net_tools.node_modules()
    return ["env", f"NODE_PATH={modules}", "node", net_tools.FOREIGN / "js" / "client.js"]


CLIENTS = {"grpcio, blocking": _python, "grpc-go": _go, "grpc-js": _javascript}


@pytest.fixture
async def grpc_server() -> AsyncIterator[str]:
    Signals.clear()
    server, url = await serve()
    yield url
    await server.stop(None)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_every_form_of_call_is_as_it_would_be_without_the_relay(grpc_server, start, client):
    command = await asyncio.to_thread(client)
    proxy = await start(grpc_server)
    assert json.loads(await net_tools.output(*command, proxy.address)) == EXPECTED
    codings = [dict(exchange.headers()).get(b"grpc-encoding") for exchange in proxy.handler.begun]
    assert codings.count(b"gzip") == 1, "the compressed message was compressed on the wire"
    async with asyncio.timeout(5):
        while Signals.endings < 2:  # the passed deadline's and the cancelled call's
            Signals.ended.clear()
            await Signals.ended.wait()


@pytest.fixture
async def http_server() -> AsyncIterator[str]:
    async def tell(request: web.Request) -> web.Response:
        body = await request.read()
        return web.json_response([request.method, str(request.rel_url), len(body)], headers={"x-own": "1"})

    runner = web.AppRunner(web.Application(client_max_size=2**30))
    runner.app.router.add_route("*", "/{any:.*}", tell)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def curl(*arguments: str | Path) -> str:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    return await net_tools.output("curl", "--silent", "--show-error", "--max-time", "20", *arguments)


async def test_curl_over_http_1_uploads_with_and_without_a_length_and_keeps_its_connection(http_server, start, tmp_path):
    proxy = await start(http_server)
    big, url = tmp_path / "big", f"http://{proxy.address}/a%20b?c=d"
    big.write_bytes(bytes(3_000_000))
    assert json.loads(await curl(url)) == ["GET", "/a%20b?c=d", 0]
    assert json.loads(await curl("--upload-file", big, url)) == ["PUT", "/a%20b?c=d", 3_000_000], "with Expect: 100-continue"
    chunked = await curl("-H", "Transfer-Encoding: chunked", "--data-binary", f"@{big}", url)
    assert json.loads(chunked) == ["POST", "/a%20b?c=d", 3_000_000]
    head = await curl("--head", url, "--next", url, "--write-out", "%{num_connects}")
    assert "x-own: 1" in head.lower()
    assert head.endswith("0"), "the second request took the first one's connection"


async def test_curl_over_http_1_is_not_upgraded(http_server, start):
    proxy = await start(http_server)
    said = await curl("--http2", f"http://{proxy.address}/u", "--write-out", " %{http_version}")
    assert said == '["GET", "/u", 0] 1.1'


async def test_curl_over_http_2_with_prior_knowledge(h2_server, start, tmp_path):
    if "HTTP2" not in await curl("--version"):
        pytest.skip("this curl was built without HTTP/2")
    body = tmp_path / "body"
    body.write_bytes(b"0123456789abcdef" * 2**10)
    proxy = await start(h2_server.url)
    options = ["--http2-prior-knowledge", "--dump-header", "-", "--data-binary", f"@{body}"]
    said = await curl(*options, f"http://{proxy.address}/a")
    assert said.startswith("HTTP/2 200")
    assert "x-path: /a" in said
    assert "x-trailer: t" in said
    assert body.read_text() in said
