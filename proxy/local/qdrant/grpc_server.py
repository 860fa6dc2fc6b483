"""The gRPC side: every method of Qdrant's public services, each run or refused by its name.

Owns: which methods exist (read from the services' descriptors), keys, status codes, times. Not: what they do (grpc_writes,
grpc_reads, grpc_collections).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from qdrant_client.grpc import collections_service_pb2, points_service_pb2, qdrant_pb2, snapshots_service_pb2

from proxy.errors import Refused
from proxy.local.qdrant.config import LocalQdrantConfig
from proxy.local.qdrant.errors import Fault, absent
from proxy.local.qdrant.grpc_collections import COLLECTIONS, QDRANT
from proxy.local.qdrant.grpc_reads import READS
from proxy.local.qdrant.grpc_writes import WRITES
from proxy.local.qdrant.keys import wrong_key
from proxy.local.qdrant.registry import Registry

Method: TypeAlias = Callable[[Registry, Any], Any]

_SERVICES: Final[tuple[tuple[ServiceDescriptor, Mapping[str, Method]], ...]] = (
    (points_service_pb2.DESCRIPTOR.services_by_name["Points"], {**WRITES, **READS}),
    (collections_service_pb2.DESCRIPTOR.services_by_name["Collections"], COLLECTIONS),
    (qdrant_pb2.DESCRIPTOR.services_by_name["Qdrant"], QDRANT),
    (snapshots_service_pb2.DESCRIPTOR.services_by_name["Snapshots"], {}),
)
_OPEN_TO_ALL: Final = frozenset({"qdrant.Qdrant/HealthCheck"})
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # else a second server would share the port in silence
)


def start(registry: Registry, config: LocalQdrantConfig) -> tuple[grpc.aio.Server, int]:
    """Binds; the caller starts and stops it. Returns the port too. Raises Refused when it is in use."""
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers([_service(registry, config.api_key, *service) for service in _SERVICES])
    address = f"{config.host}:{config.grpc_port}"
    try:
        return server, server.add_insecure_port(address)
    except RuntimeError as error:
        raise Refused(f"cannot listen on {address} (gRPC): {error}") from error


def _service(
    registry: Registry, api_key: str | None, descriptor: ServiceDescriptor, methods: Mapping[str, Method]
) -> grpc.GenericRpcHandler:
    handlers = {}
    for method in descriptor.methods:
        path = f"{descriptor.full_name}/{method.name}"
        run = methods.get(method.name) or _refusal(path)
        handlers[method.name] = grpc.unary_unary_rpc_method_handler(
            _endpoint(registry, None if path in _OPEN_TO_ALL else api_key, run),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)


def _refusal(path: str) -> Method:
    def refuse(_: Registry, __: Any) -> Any:
        raise absent(f"{path} is")

    return refuse


def _endpoint(registry: Registry, api_key: str | None, run: Method) -> Callable[[Any, Any], Awaitable[Any]]:
    async def endpoint(request: Any, context: grpc.aio.ServicerContext) -> Any:
        began = time.perf_counter()
        if problem := wrong_key(api_key, dict(context.invocation_metadata() or ())):
            return await context.abort(grpc.StatusCode.UNAUTHENTICATED, problem)
        try:
            reply = run(registry, request)
        except Fault as fault:
            return await context.abort(fault.kind.grpc, str(fault))
        except (ValueError, TypeError) as error:
            # the SDK's conversions raise these for messages that say nothing
            return await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"Wrong input: {error}")
        if "time" in reply.DESCRIPTOR.fields_by_name:
            reply.time = time.perf_counter() - began
        return reply

    return endpoint
