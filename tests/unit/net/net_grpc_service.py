"""A gRPC service of raw bytes with every form of call, on the official server: the upstream of official clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import grpc.aio

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Signals:
    """What running calls tell the test."""

    started: asyncio.Event
    ended: asyncio.Event
    endings: int

    @classmethod
    def clear(cls) -> None:
        cls.started, cls.ended, cls.endings = asyncio.Event(), asyncio.Event(), 0


async def echo(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    metadata = dict(context.invocation_metadata() or ())
    await context.send_initial_metadata(
        (("x-seen", str(metadata.get("x-sent"))), ("x-seen-bin", metadata.get("x-sent-bin", b"")))
    )
    context.set_trailing_metadata((("x-last", "trailer"), ("x-last-bin", b"\0\xfe")))
    return request


async def zipped(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    context.set_compression(grpc.Compression.Gzip)
    return request


async def refuse(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    await context.abort(grpc.StatusCode.NOT_FOUND, "nothing é 100 % here")


async def sleep(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    await context.send_initial_metadata(())
    Signals.started.set()
    try:
        await asyncio.sleep(30)
    finally:
        Signals.endings += 1
        Signals.ended.set()
    return request


async def nap(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    Signals.started.set()
    await asyncio.sleep(0.1)
    return request


async def remaining(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return b"%d" % round(context.time_remaining() or -1)


async def count(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    for number in range(int(request)):
        yield b"%d" % number


async def total(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
    return b"%d" % sum([len(request) async for request in requests])


async def talk(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request * 2


METHODS = {
    "/t/echo": grpc.unary_unary_rpc_method_handler(echo),
    "/t/zipped": grpc.unary_unary_rpc_method_handler(zipped),
    "/t/refuse": grpc.unary_unary_rpc_method_handler(refuse),
    "/t/sleep": grpc.unary_unary_rpc_method_handler(sleep),
    "/t/nap": grpc.unary_unary_rpc_method_handler(nap),
    "/t/remaining": grpc.unary_unary_rpc_method_handler(remaining),
    "/t/count": grpc.unary_stream_rpc_method_handler(count),
    "/t/total": grpc.stream_unary_rpc_method_handler(total),
    "/t/talk": grpc.stream_stream_rpc_method_handler(talk),
}


class Service(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return METHODS.get(details.method)


async def serve() -> tuple[grpc.aio.Server, str]:
    """The running server and its URL."""
    server = grpc.aio.server(options=UNLIMITED)
    server.add_generic_rpc_handlers((Service(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, f"http://127.0.0.1:{port}"
