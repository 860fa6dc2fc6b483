"""What is asked and answered: valid messages of Milvus in any size, as bytes. Pure.

A row of 8 floats is the smallest write, rows of 768 make the large ones; a search's reply grows by the text of its hits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from proxy.net.http2 import fields

COLLECTION: Final = "bench"
SERVICE: Final = "/milvus.proto.milvus.MilvusService/"
REST: Final = "/v1/vector/"
SMALL_DIM: Final = 8
LARGE_DIM: Final = 768
FIRST_ID: Final = 2**28
"""From here to 2**35 an id has the same five bytes in a message, and from here to 10**9 as many digits."""
TOP: Final = 10


@dataclass(frozen=True, slots=True)
class Call:
    """A request as often as there are bodies, and the size of the reply's body."""

    path: str
    bodies: tuple[bytes, ...]
    reply: int
    asked: int | None = None
    """The reply that the upstream is to choose; None where it has one only."""

    @property
    def grpc(self) -> bool:
        return self.path.startswith(SERVICE)

    @property
    def headers(self) -> dict[str, str]:
        kind = {"content-type": "application/grpc", "te": "trailers"} if self.grpc else {"content-type": "application/json"}
        return kind if self.asked is None else {**kind, "x-reply": str(self.asked)}


def dim_of(size: int) -> int:
    """Of the rows of a write of about so many bytes."""
    return SMALL_DIM if size < 8 * LARGE_DIM else LARGE_DIM


def framed(message: Any) -> bytes:
    body: bytes = message.SerializeToString()
    return b"\0" + len(body).to_bytes(4) + body


# ---- requests ----


def grpc_read(size: int) -> Call:
    """A search whose reply has about `size` bytes."""
    request = milvus_pb2.SearchRequest(
        collection_name=COLLECTION,
        placeholder_group=_placeholders(),
        dsl_type=common_pb2.BoolExprV1,
        output_fields=["t"],
        search_params=[
            common_pb2.KeyValuePair(key=key, value=value)
            for key, value in {"anns_field": "v", "topk": str(TOP), "metric_type": "L2", "params": "{}"}.items()
        ],
        guarantee_timestamp=1,
        nq=1,
    )
    return Call(SERVICE + "Search", (framed(request),), len(search_reply(size)), size)


def _placeholders() -> bytes:
    vector = np.zeros(SMALL_DIM, np.float32).tobytes()
    value = common_pb2.PlaceholderValue(tag="$0", type=common_pb2.FloatVector, values=[vector])
    return bytes(common_pb2.PlaceholderGroup(placeholders=[value]).SerializeToString())


def rest_read(size: int) -> Call:
    body = json.dumps({"collectionName": COLLECTION, "limit": TOP, "vector": [0.5] * SMALL_DIM})
    return Call(REST + "search", (body.encode(),), len(rest_search_reply(size)), size)


def grpc_write(size: int, count: int = 1) -> Call:
    """`count` upserts of about `size` bytes, each of other ids."""
    dim = dim_of(size)
    rows = max((size - 100) // (4 * dim + 5), 1)
    bodies = (framed(_upsert(FIRST_ID + number * rows, rows, dim)) for number in range(count))
    return Call(SERVICE + "Upsert", tuple(bodies), len(framed(mutated())))


def _upsert(first: int, rows: int, dim: int) -> Any:
    ids = list(range(first, first + rows))
    vectors = np.random.default_rng(first).random(rows * dim, dtype=np.float32)
    return milvus_pb2.UpsertRequest(
        collection_name=COLLECTION,
        num_rows=rows,
        fields_data=[
            schema_pb2.FieldData(
                type=schema_pb2.Int64,
                field_name="id",
                scalars=schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=ids)),
            ),
            schema_pb2.FieldData(
                type=schema_pb2.FloatVector,
                field_name="v",
                vectors=schema_pb2.VectorField(dim=dim, float_vector=schema_pb2.FloatArray(data=vectors)),
            ),
        ],
    )


def rest_write(size: int, count: int = 1) -> Call:
    dim = dim_of(size)
    vector = _vector(dim)
    rows = max((size - 50) // (len(_row(FIRST_ID, vector)) + 2), 1)
    bodies = (_rest_upsert(range(FIRST_ID + n * rows, FIRST_ID + (n + 1) * rows), vector) for n in range(count))
    return Call(REST + "upsert", tuple(bodies), len(REST_MUTATED))


def _rest_upsert(ids: range, vector: str) -> bytes:
    data = ", ".join(_row(id, vector) for id in ids)
    return f'{{"collectionName": "{COLLECTION}", "data": [{data}]}}'.encode()


def _row(id: int, vector: str) -> str:
    return f'{{"id": {id}, "v": {vector}}}'


def _vector(dim: int) -> str:
    return json.dumps([round(0.001 * (n % 1000), 3) for n in range(dim)])


# ---- replies ----


def search_reply(size: int) -> bytes:
    """TOP hits, whose texts fill it up to about `size` bytes; without texts it has 0.1 KB."""
    text = "x" * max((size - 200) // TOP, 0)
    hits = schema_pb2.SearchResultData(
        num_queries=1,
        top_k=TOP,
        topks=[TOP],
        scores=[-0.1 * n for n in range(TOP)],
        ids=schema_pb2.IDs(int_id=schema_pb2.LongArray(data=range(1, TOP + 1))),
    )
    if text:
        texts = schema_pb2.ScalarField(string_data=schema_pb2.StringArray(data=[text] * TOP))
        hits.fields_data.append(schema_pb2.FieldData(type=schema_pb2.VarChar, field_name="t", scalars=texts))
    return framed(milvus_pb2.SearchResults(results=hits))


def rest_search_reply(size: int) -> bytes:
    hits = [{"id": n, "distance": 0.5, "t": "x" * max((size - 300) // TOP, 0)} for n in range(1 if size < 300 else TOP)]
    return json.dumps({"code": 200, "data": hits}).encode()


def mutated() -> Any:
    return milvus_pb2.MutationResult(upsert_cnt=1, timestamp=1)


REST_MUTATED: Final = b'{"code": 200, "data": {"upsertCount": 1}}'


def catalog(dim: int) -> dict[str, Any]:
    """What a sidecar asks of a Milvus that has one empty collection of two fields."""
    return {
        "Connect": milvus_pb2.ConnectResponse(),
        "GetVersion": milvus_pb2.GetVersionResponse(version="v2.3.5"),
        "AllocTimestamp": milvus_pb2.AllocTimestampResponse(timestamp=1),
        "ListDatabases": milvus_pb2.ListDatabasesResponse(db_names=["default"]),
        "ShowCollections": milvus_pb2.ShowCollectionsResponse(collection_names=[COLLECTION]),
        "ShowPartitions": milvus_pb2.ShowPartitionsResponse(partition_names=["_default"]),
        "DescribeCollection": milvus_pb2.DescribeCollectionResponse(
            schema=_schema(dim), collection_name=COLLECTION, num_partitions=1, shards_num=1
        ),
        "DescribeIndex": milvus_pb2.DescribeIndexResponse(index_descriptions=[_index()]),
        "GetLoadState": milvus_pb2.GetLoadStateResponse(state=common_pb2.LoadStateLoaded),
        "GetLoadingProgress": milvus_pb2.GetLoadingProgressResponse(progress=100),
        "Query": milvus_pb2.QueryResults(collection_name=COLLECTION, fields_data=[_count(0)]),
        "Upsert": mutated(),
    }


def _schema(dim: int) -> Any:
    return schema_pb2.CollectionSchema(
        name=COLLECTION,
        fields=[
            schema_pb2.FieldSchema(fieldID=100, name="id", is_primary_key=True, data_type=schema_pb2.Int64),
            schema_pb2.FieldSchema(
                fieldID=101,
                name="v",
                data_type=schema_pb2.FloatVector,
                type_params=[common_pb2.KeyValuePair(key="dim", value=str(dim))],
            ),
        ],
    )


def _count(rows: int) -> Any:
    """Read as rows, it is none."""
    column = schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=[rows]))
    return schema_pb2.FieldData(type=schema_pb2.Int64, field_name="count(*)", scalars=column)


def _index() -> Any:
    pairs = {"index_type": "HNSW", "metric_type": "L2", "params": '{"M": 16, "efConstruction": 100}'}
    params = [common_pb2.KeyValuePair(key=key, value=value) for key, value in pairs.items()]
    return milvus_pb2.IndexDescription(index_name="v", field_name="v", params=params, state=common_pb2.Finished)


def header_block(call: Call, authority: str) -> bytes:
    """Without any table."""
    pseudo = {":method": "POST", ":scheme": "http", ":path": call.path, ":authority": authority}
    return fields.encode([(name.encode(), value.encode()) for name, value in {**pseudo, **call.headers}.items()])
