from __future__ import annotations

import asyncio
import json
import socket

import pytest

from proxy.config import parse
from proxy.errors import Broken
from proxy.ports import Kind
from proxy.routing.plan import Action
from proxy.workers.messages import FROM_CORE, FROM_WORKER, LINE_LIMIT, Channel, Done, Granted, Setup

CONFIG = parse(
    {
        "source": {"product": "milvus", "url": "http://source:1", "token": "root:wi11ow", "timeout": "5s"},
        "listen": {"grpc": "127.0.0.1:1"},
        "admin": {"token": "adm1n"},
        "journal": {"key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
        "relay": {"drain": "3s", "buffer_bytes": "1MiB"},
    }
)
SETUP = Setup(
    product=CONFIG.source.product,
    listen=CONFIG.listen,
    listen_tls=None,
    relay=CONFIG.relay,
    telemetry=CONFIG.telemetry,
    upstreams={"grpc": CONFIG.source.url},
    upstream_tls=CONFIG.source.tls,
    directory=CONFIG.state,
    sockets={"grpc": "core.sock"},
    drawn={"grpc": "drawn.sock"},
    first=2**41,
)
GRANTED = Granted(number=7, actions={Kind.READ: Action.SAMPLE}, changes=False, shadow=0.25, canary=1e-9)


async def pair() -> tuple[Channel, Channel]:
    core, worker = socket.socketpair()
    return await Channel.on(FROM_WORKER, core), await Channel.on(FROM_CORE, worker)


async def test_what_is_said_is_heard_and_then_the_end() -> None:
    core, worker = await pair()
    for message in (SETUP, GRANTED):
        core.say(message)
    assert [await worker.hear(), await worker.hear()] == [SETUP, GRANTED]
    core.finish()
    assert await worker.hear() is None
    worker.say(Done(number=7))  # the other direction is open yet
    assert await core.hear() == Done(number=7)
    for channel in (core, worker):
        channel.close()


def test_a_setup_holds_no_secret() -> None:
    assert not any(secret in SETUP.model_dump_json() for secret in ("wi11ow", "adm1n", "AAAA"))
    assert json.loads(SETUP.model_dump_json())["relay"]["buffer_bytes"] == 2**20


@pytest.mark.parametrize("line", [b"no message\n", b'{"kind": "done"}\n', b"x" * (LINE_LIMIT + 1) + b"\n"])
async def test_what_is_no_message_is_a_fault_of_ours(line) -> None:
    ours, theirs = socket.socketpair()
    channel = await Channel.on(FROM_WORKER, ours)
    sending = asyncio.ensure_future(asyncio.to_thread(theirs.sendall, line))
    with pytest.raises(Broken):
        await channel.hear()
    channel.close()
    theirs.shutdown(socket.SHUT_RDWR)
    await asyncio.gather(sending, return_exceptions=True)
    theirs.close()


async def test_an_end_in_the_middle_of_a_message_is_an_end() -> None:
    ours, theirs = socket.socketpair()
    channel = await Channel.on(FROM_WORKER, ours)
    theirs.sendall(b'{"kind": "do')
    theirs.close()
    assert await channel.hear() is None
    channel.close()
