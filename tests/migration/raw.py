"""A Milvus client below pymilvus: requests as bytes, to be sent in part, or left behind."""

from __future__ import annotations

import json
import socket
from typing import Any, Final

import grpc
import numpy as np
from h2.config import H2Configuration
from h2.connection import H2Connection
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from tests.migration.shelf import BUCKETS, Shelf

SERVICE: Final = "/milvus.proto.milvus.MilvusService/"
CHUNK: Final = 16_384
PREFIX: Final = 5
"""Bytes of gRPC's own before a message."""


def upsert(shelf: Shelf, numbers: range, version: int) -> bytes:
    """An UpsertRequest with the rows that `shelf.row` describes, but for `tags`, as one gRPC message."""
    vectors = np.random.default_rng(version).normal(0, 1, len(numbers) * shelf.dim).astype(np.float32)
    flat = schema_pb2.VectorField(dim=shelf.dim, float_vector=schema_pb2.FloatArray(data=vectors))
    dynamic = json.dumps({"note": f"dynamic {version}"}).encode()
    names = schema_pb2.StringArray(data=[f"n{number}-{version}" for number in numbers])
    message = milvus_pb2.UpsertRequest(
        collection_name=shelf.called,
        partition_name="_default",
        num_rows=len(numbers),
        fields_data=[
            _longs("id", list(numbers)),
            schema_pb2.FieldData(type=schema_pb2.FloatVector, field_name="v", vectors=flat),
            _longs("bucket", [number % BUCKETS for number in numbers]),
            _longs("version", [version] * len(numbers)),
            schema_pb2.FieldData(type=schema_pb2.VarChar, field_name="name", scalars=schema_pb2.ScalarField(string_data=names)),
            schema_pb2.FieldData(
                type=schema_pb2.JSON,
                field_name="$meta",
                is_dynamic=True,
                scalars=schema_pb2.ScalarField(json_data=schema_pb2.JSONArray(data=[dynamic] * len(numbers))),
            ),
        ],
    )
    body: bytes = message.SerializeToString()
    return b"\x00" + len(body).to_bytes(4, "big") + body


def send(url: str, body: bytes) -> milvus_pb2.MutationResult:
    """One Upsert, past pymilvus and its retries. Raises grpc.RpcError."""
    with grpc.insecure_channel(url.removeprefix("http://"), [("grpc.max_send_message_length", -1)]) as channel:
        call = channel.unary_unary(SERVICE + "Upsert", response_deserializer=milvus_pb2.MutationResult.FromString)
        found: milvus_pb2.MutationResult = call(body[PREFIX:], timeout=120)
        return found


def _longs(name: str, values: list[int]) -> Any:
    scalars = schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=values))
    return schema_pb2.FieldData(type=schema_pb2.Int64, field_name=name, scalars=scalars)


def leave_behind(port: int, method: str, body: bytes, share: float) -> None:
    """Sends that share of the request's bytes, and goes away without a word."""
    connection = H2Connection(H2Configuration(client_side=True))
    with socket.create_connection(("127.0.0.1", port)) as client:
        connection.initiate_connection()
        connection.send_headers(1, _headers(port, method))
        part = body[: int(len(body) * share)]
        for start in range(0, len(part), CHUNK):
            connection.send_data(1, part[start : start + CHUNK], end_stream=start + CHUNK >= len(body))
        client.sendall(connection.data_to_send())


def _headers(port: int, method: str) -> list[tuple[str, str]]:
    path = {":method": "POST", ":scheme": "http", ":path": SERVICE + method, ":authority": f"127.0.0.1:{port}"}
    return [*path.items(), ("te", "trailers"), ("content-type", "application/grpc")]
