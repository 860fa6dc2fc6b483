"""The data plane over gRPC: every method of Pinecone's `VectorService`. Not: what a call means (calls)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
import grpc.aio

from proxy.local.pinecone.calls import CALLS, run
from proxy.local.pinecone.errors import Fault
from proxy.local.pinecone.records import Records

SERVICE: Final = "VectorService"
_OPTIONS: Final = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


def server(records: Records, api_key: str | None, address: str) -> grpc.aio.Server:
    """Bound; the caller starts and stops it."""
    made = grpc.aio.server(options=_OPTIONS)
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            _endpoint(records, name, api_key),
            request_deserializer=call.request.FromString,
            response_serializer=call.response.SerializeToString,
        )
        for name, call in CALLS.items()
    }
    made.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    made.add_insecure_port(address)
    return made


def _endpoint(records: Records, name: str, api_key: str | None) -> Callable[[Any, Any], Awaitable[Any]]:
    async def endpoint(request: Any, context: grpc.aio.ServicerContext) -> Any:
        if api_key is not None and dict(context.invocation_metadata() or ()).get("api-key") != api_key:
            return await context.abort(grpc.StatusCode.UNAUTHENTICATED, "Unauthorized")
        try:
            reply, lsn = run(records, name, request)
        except Fault as fault:
            return await context.abort(fault.kind.grpc, str(fault))
        await context.send_initial_metadata((lsn,))
        return reply

    return endpoint
