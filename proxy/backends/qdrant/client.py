"""One call to Qdrant's gRPC services at a time: credentials, deadline, errors made ours. Knows no operation."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from grpc.aio import AioRpcError, Channel

from proxy.backends.grpc_channel import open_channel
from proxy.backends.qdrant.address import grpc_url, metadata
from proxy.backends.qdrant.errors import Call, explain, translate
from proxy.config import SideConfig
from proxy.errors import Uncertain
from proxy.qdrant.sdk import grpc

_UPSERT: Final = "/qdrant.Points/Upsert"


class Client:
    """The channel opens with the first call, in the event loop of that call."""

    def __init__(self, side: SideConfig) -> None:
        self.url = grpc_url(side)
        self._side = side
        self._metadata = metadata(side)

    @cached_property
    def _channel(self) -> Channel:
        return open_channel(self._side, self.url)

    @cached_property
    def points(self) -> grpc.PointsStub:
        return grpc.PointsStub(self._channel)  # type: ignore[no-untyped-call]

    @cached_property
    def upsert(self) -> Any:
        """`points.Upsert` of a request that is bytes already."""
        return self._channel.unary_unary(_UPSERT, response_deserializer=grpc.PointsOperationResponse.FromString)

    @cached_property
    def collections(self) -> grpc.CollectionsStub:
        return grpc.CollectionsStub(self._channel)  # type: ignore[no-untyped-call]

    async def read(self, method: Any, request: Any) -> Any:
        return await self._call(method, request, Call.READ)

    async def write(self, method: Any, request: Any) -> Any:
        """Also of schema. Raises Uncertain where it may be applied, or may still be."""
        return await self._call(method, request, Call.WRITE)

    async def update(self, method: Any, request: Any) -> None:
        """Of points, with `wait`: returns when it is durable and visible."""
        status = (await self.write(method, request)).result.status
        if status != grpc.UpdateStatus.Completed:
            raise Uncertain(f"Qdrant at {self.url} took a write but did not finish it: {grpc.UpdateStatus.Name(status)}")

    async def version(self) -> str:
        """Checks address and credentials on the way; its errors say what to do."""
        try:
            service = grpc.QdrantStub(self._channel)  # type: ignore[no-untyped-call]
            health = await self._send(service.HealthCheck, grpc.HealthCheckRequest())
            # the health check is open to all; this is not
            await self._send(self.collections.List, grpc.ListCollectionsRequest())
        except AioRpcError as error:
            raise explain(error, self.url) from error
        return str(health.version)

    async def close(self) -> None:
        if "_channel" in self.__dict__:
            await self._channel.close()

    async def _call(self, method: Any, request: Any, call: Call) -> Any:
        try:
            return await self._send(method, request)
        except AioRpcError as error:
            raise translate(error, call, self.url) from error

    async def _send(self, method: Any, request: Any) -> Any:
        return await method(request, timeout=self._side.timeout, metadata=self._metadata)
