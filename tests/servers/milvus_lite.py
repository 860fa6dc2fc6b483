"""milvus-lite 3.2.2 in this process, over TCP: stands in for Milvus servers newer than the one that has a wheel (milvus.py).

Where milvus-lite is known to do otherwise than every real server, it is made to do as they do; what remains is in
conformance/gaps.py.
"""

from __future__ import annotations

from concurrent import futures
from pathlib import Path
from typing import Any, Final, Self

import grpc
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from milvus_lite.db import MilvusLite
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

STOP_SECONDS: Final = 2.0
_WORKERS: Final = 4
_LARGEST_MESSAGE: Final = 64 * 2**20


class MilvusLiteServer:
    def __init__(self, directory: Path) -> None:
        self._database = MilvusLite(str(directory))
        self._server = grpc.server(
            futures.ThreadPoolExecutor(_WORKERS),
            options=[("grpc.max_receive_message_length", _LARGEST_MESSAGE), ("grpc.max_send_message_length", _LARGEST_MESSAGE)],
        )
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(_AsReal(self._database), self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(STOP_SECONDS).wait()
        self._database.close()


class _AsReal(MilvusServicer):  # type: ignore[misc]
    def Upsert(self, request: Any, context: Any) -> Any:
        """Its own keeps the dynamic fields that the new row lacks; its Insert replaces the whole row, as a real Upsert does."""
        return self.Insert(request, context)

    def CreateIndex(self, request: Any, context: Any) -> Any:
        """A real one makes the same index twice without an error, and chooses the kind where none is named."""
        described = self.DescribeIndex(milvus_pb2.DescribeIndexRequest(collection_name=request.collection_name), context)
        if request.field_name in {index.field_name for index in described.index_descriptions}:
            return common_pb2.Status()
        if "index_type" not in {param.key for param in request.extra_params}:
            request.extra_params.append(common_pb2.KeyValuePair(key="index_type", value="INVERTED"))
        return super().CreateIndex(request, context)

    def CreatePartition(self, request: Any, context: Any) -> Any:
        there = self.ShowPartitions(milvus_pb2.ShowPartitionsRequest(collection_name=request.collection_name), context)
        if request.partition_name in there.partition_names:
            return common_pb2.Status()
        return super().CreatePartition(request, context)

    def DescribeCollection(self, request: Any, context: Any) -> Any:
        """Its own does not tell how long the texts of an array may be."""
        reply = super().DescribeCollection(request, context)
        for field in reply.schema.fields:
            if field.data_type == schema_pb2.Array and field.element_type == schema_pb2.VarChar:
                field.type_params.append(common_pb2.KeyValuePair(key="max_length", value="65535"))
        return reply

    def AllocTimestamp(self, request: Any, context: Any) -> Any:
        return milvus_pb2.AllocTimestampResponse(status=common_pb2.Status(), timestamp=1)
