"""The frontend against a real Milvus 2.3.5: an application sees the same, and Milvus's replies are read as they are meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from milvus_facade import Facade, FacadeServer
from pymilvus import DataType, MilvusClient
from pymilvus.client.prepare import Prepare
from pymilvus.grpc_gen import common_pb2, milvus_pb2
from scenario import run
from shelf import NAME, fill

from proxy.frontends.grpc import PREFIX, framed, succeeded
from proxy.frontends.milvus.messages import CALLS
from proxy.frontends.milvus.routes import SERVICE
from proxy.model.operation import Page
from proxy.model.point import Point
from proxy.ports import Request

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())
ESTIMATED = {"stats"}
"""2.3.5 counts neither what is not flushed nor deletes."""


@pytest.mark.milvus
def test_an_application_sees_the_same_on_a_real_server(milvus: Any) -> None:
    saw = json.loads(json.dumps(run(milvus.url)))
    assert {key: saw[key] for key in saw.keys() - ESTIMATED} == {key: EXPECTED[key] for key in EXPECTED.keys() - ESTIMATED}


@pytest.mark.milvus
@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            "Query",
            Prepare.query_request(NAME, "pk in [1, 4, 9]", ["*"], [], consistency_level=0, use_default_consistency=False),
        ),
        ("Query", Prepare.query_request(NAME, "n >= 0", ["count(*)"], [])),
        ("Query", Prepare.query_request(NAME, "n >= 2", ["s", "d"], [], limit=3)),
        (
            "Search",
            Prepare.search_requests_with_expr(
                NAME, "v", {"metric_type": "L2"}, 3, data=[[0.0, 1.0], [5.2, 1.0]], expr="n < 9", output_fields=["f4", "v", "d"]
            ),
        ),
    ],
    ids=["rows", "count", "page", "hits"],
)
async def test_a_reply_of_milvus_is_read_as_the_reference_answers(milvus: Any, method: str, message: Any) -> None:
    facade = Facade()
    with FacadeServer(facade) as server:
        for url in (server.url, milvus.url):
            client = MilvusClient(url)
            client.drop_collection(NAME)
            fill(client)
            client.close()
    request = Request(b"POST", (SERVICE + method).encode(), (), framed(message.SerializeToString()))
    operation: Any = facade.frontend.decode(request, facade.catalog)
    async with grpc.aio.insecure_channel(milvus.url.removeprefix("http://")) as channel:
        strong = CALLS[method].request.FromString(request.body[PREFIX:])
        strong.guarantee_timestamp, strong.use_default_consistency = 0, False
        raw = await channel.unary_unary(SERVICE + method)(strong.SerializeToString())
    read = facade.frontend.parse_read(request, operation, succeeded(raw), facade.catalog)
    assert plain(read) == plain(await facade._run(operation))


def plain(result: Any) -> Any:
    match result:
        case Page(points=points):
            return sorted(map(_point, points), key=repr)
        case tuple():
            return [[(round(hit.value, 5), _point(hit.point)) for hit in row] for row in result]
        case _:
            return result


def _point(point: Point) -> Any:
    vectors = {name: np.asarray(vector).tolist() for name, vector in point.vectors.items()}
    return point.key, vectors, sorted(point.payload.items())


HNSW = {"index_type": "HNSW", "metric_type": "L2", "params": '{"M": 8, "efConstruction": 64}'}
INDEXES: list[tuple[str, str, dict[str, str]]] = [
    ("v", "", HNSW),
    ("v", "", HNSW),
    ("v", "v", HNSW),
    ("v", "", HNSW | {"metric_type": "IP"}),
    ("v", "w", HNSW | {"metric_type": "IP"}),
    ("v", "w", HNSW),
    ("v", "", HNSW | {"params": '{"M": 16, "efConstruction": 64}'}),
    ("v", "", {"index_type": "FLAT", "metric_type": "L2"}),
    ("v", "", {"index_type": "AUTOINDEX", "metric_type": "L2"}),
    ("v", "", {}),
    ("s", "v", {"index_type": "Trie"}),
    ("s", "", {"index_type": "Trie"}),
    ("s", "", {"index_type": "Trie"}),
    ("s", "", {}),
]
AUTOMATIC: list[tuple[str, str, dict[str, str]]] = [
    ("v", "named", {"index_type": "AUTOINDEX", "metric_type": "COSINE"}),
    ("v", "", {"index_type": "AUTOINDEX", "metric_type": "COSINE"}),
    ("v", "", {"index_type": "AUTOINDEX", "metric_type": "L2"}),
    ("v", "v", {"index_type": "AUTOINDEX", "metric_type": "COSINE"}),
]


@pytest.mark.milvus
@pytest.mark.parametrize("asked", [INDEXES, AUTOMATIC], ids=["by type", "automatic"])
async def test_an_index_beside_another_is_taken_and_refused_as_milvus_does(milvus: Any, asked: Any) -> None:
    with FacadeServer(Facade()) as server:
        ours, theirs = [await _creations(url, asked) for url in (server.url, milvus.url)]
    assert ours == theirs
    assert {code for code, _ in theirs} == {0, 65535}


async def _creations(url: str, asked: list[tuple[str, str, dict[str, str]]]) -> list[tuple[int, str]]:
    """What is said of each, one after the other."""
    client = MilvusClient(url)
    client.drop_collection(NAME)
    schema = client.create_schema()
    schema.add_field("pk", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("s", DataType.VARCHAR, max_length=20)
    client.create_collection(NAME, schema=schema)
    said: list[tuple[int, str]] = []
    async with grpc.aio.insecure_channel(url.removeprefix("http://")) as channel:
        create = channel.unary_unary(SERVICE + "CreateIndex")
        for field, name, params in asked:
            message = milvus_pb2.CreateIndexRequest(collection_name=NAME, field_name=field, index_name=name)
            message.extra_params.extend(common_pb2.KeyValuePair(key=key, value=value) for key, value in params.items())
            status = common_pb2.Status.FromString(await create(message.SerializeToString()))
            said.append((status.code, status.reason))
    client.drop_collection(NAME)
    client.close()
    return said
