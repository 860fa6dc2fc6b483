"""A gRPC server before another one that passes every call on, or answers each with an error of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, Self
from urllib.parse import urlsplit

import grpc

WORDS: Final = "said by the wrong server"
THREADS: Final = 8
CALL: Final = 60.0
"""Seconds: nobody who calls here waits longer."""


class WrongGrpc(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """`with WrongGrpc(url) as server: ...`; `server.url` stands for the other one. Unary calls only; bodies are not read."""

    def __init__(self, behind: str) -> None:
        self._channel = grpc.insecure_channel(urlsplit(behind).netloc, [("grpc.max_receive_message_length", -1)])
        self._server = grpc.server(ThreadPoolExecutor(THREADS), [self], options=[("grpc.max_receive_message_length", -1)])
        self.url = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._code: grpc.StatusCode | None = None

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()
        self._channel.close()

    @contextmanager
    def answering(self, code: grpc.StatusCode) -> Iterator[None]:
        self._code = code
        try:
            yield
        finally:
            self._code = None

    def service(self, details: Any) -> grpc.RpcMethodHandler:
        """grpc.GenericRpcHandler."""
        return grpc.unary_unary_rpc_method_handler(self._answer(self._channel.unary_unary(details.method)))

    def _answer(self, behind: Callable[..., bytes]) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if self._code is not None:
                context.abort(self._code, WORDS)
            try:
                return behind(request, timeout=CALL, metadata=context.invocation_metadata())
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
                raise  # not reached: abort raises

        return answer
