"""Every form of call by grpcio's blocking client against net_grpc_service; prints what it saw as one JSON object."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any

import grpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
CHANNEL = grpc.insecure_channel(sys.argv[1], options=OPTIONS)


def unary(method: str, body: bytes = b"", **options: Any) -> bytes:
    reply: bytes = CHANNEL.unary_unary(method)(body, **options)
    return reply


def code(call: Callable[[], object]) -> list[object]:
    try:
        call()
    except grpc.RpcError as error:
        return [error.code().value[0], error.details()]
    return [0, ""]


def talk() -> list[int]:
    sizes = (1, 2, 100_000)
    replies = CHANNEL.stream_stream("/t/talk")(bytes(size) for size in sizes)
    return [*(len(reply) for reply in replies), 0]


def cancelled() -> object:
    call = CHANNEL.unary_stream("/t/sleep")(b"")
    call.initial_metadata()
    call.cancel()
    return code(lambda: list(call))[0]


def metadata() -> list[str]:
    sent = (("x-sent", "yes"), ("x-sent-bin", b"\0\xff\1"))
    _, call = CHANNEL.unary_unary("/t/echo").with_call(b"", metadata=sent)
    head, trailer = dict(call.initial_metadata()), dict(call.trailing_metadata())
    return [
        head["x-seen"],
        base64.b64encode(head["x-seen-bin"]).decode(),
        trailer["x-last"],
        base64.b64encode(trailer["x-last-bin"]).decode(),
    ]


LARGE = b"0123456789abcdef" * 2**18
CASES: dict[str, Callable[[], object]] = {
    "unary": lambda: unary("/t/echo", b"hello").decode(),
    "server streaming": lambda: len(list(CHANNEL.unary_stream("/t/count")(b"500"))),
    "client streaming": lambda: CHANNEL.stream_unary("/t/total")(bytes(5000) for _ in range(200)).decode(),
    "both in turn": talk,
    "an error": lambda: code(lambda: unary("/t/refuse")),
    "an unknown method": lambda: code(lambda: unary("/t/missing"))[0],
    "gzip": lambda: len(unary("/t/zipped", b"z" * 100_000, compression=grpc.Compression.Gzip)),
    "the deadline": lambda: unary("/t/remaining", timeout=20).decode(),
    "a passed deadline": lambda: code(lambda: unary("/t/sleep", timeout=0.2))[0],
    "cancelled": cancelled,
    "large": lambda: unary("/t/echo", LARGE) == LARGE,
    "metadata": metadata,
}

print(json.dumps({name: act() for name, act in CASES.items()}))
