"""Collections, aliases, payload indexes, named vectors, service pages; over REST and gRPC."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from servers.qdrant import QdrantServer

PLANE = models.VectorParams(size=2, distance=models.Distance.DOT)


def test_a_collection_is_made_listed_described_and_dropped(client: QdrantClient, name: str) -> None:
    assert client.create_collection(name, vectors_config=PLANE) is True
    assert client.collection_exists(name)
    assert name in [found.name for found in client.get_collections().collections]
    described = client.get_collection(name)
    assert (described.status, described.points_count) == (models.CollectionStatus.GREEN, 0)
    assert described.config.params.vectors == PLANE
    assert client.delete_collection(name) is True
    assert not client.collection_exists(name)
    assert client.delete_collection(name) is False


def test_a_name_may_need_encoding_in_a_path(client: QdrantClient, name: str) -> None:
    odd = f"{name} ü%2F#&"
    client.create_collection(odd, vectors_config=PLANE)
    client.upsert(odd, [models.PointStruct(id=1, vector=[1, 1])])
    assert client.count(odd).count == 1
    assert odd in [found.name for found in client.get_collections().collections]


def test_settings_are_told_back(client: QdrantClient, name: str) -> None:
    vectors = {
        "a": models.VectorParams(
            size=4,
            distance=models.Distance.MANHATTAN,
            on_disk=True,
            datatype=models.Datatype.FLOAT16,
            hnsw_config=models.HnswConfigDiff(m=8),
            quantization_config=models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.5, always_ram=True)
            ),
        ),
        "b": models.VectorParams(
            size=8,
            distance=models.Distance.EUCLID,
            quantization_config=models.BinaryQuantization(
                binary=models.BinaryQuantizationConfig(encoding=models.BinaryQuantizationEncoding.ONE_AND_HALF_BITS)
            ),
        ),
    }
    sparse = {"s": models.SparseVectorParams(modifier=models.Modifier.IDF, index=models.SparseIndexParams(on_disk=False))}
    client.create_collection(
        name,
        vectors_config=vectors,
        sparse_vectors_config=sparse,
        hnsw_config=models.HnswConfigDiff(ef_construct=50),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=123),
        on_disk_payload=False,
        metadata={"owner": "tests"},
    )
    config = client.get_collection(name).config
    assert (config.params.vectors, config.params.sparse_vectors) == (vectors, sparse)
    assert (config.hnsw_config.ef_construct, config.hnsw_config.m) == (50, 16)
    assert config.optimizer_config.indexing_threshold == 123
    assert config.params.on_disk_payload is False
    assert config.metadata == {"owner": "tests"}


def test_settings_are_changed_by_what_is_given(client: QdrantClient, name: str) -> None:
    client.create_collection(name, vectors_config=PLANE, hnsw_config=models.HnswConfigDiff(m=8))
    client.update_collection(
        name,
        vectors_config={"": models.VectorParamsDiff(on_disk=True)},
        hnsw_config=models.HnswConfigDiff(ef_construct=77),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=5),
        collection_params=models.CollectionParamsDiff(on_disk_payload=False),
        metadata={"a": 1},
    )
    config = client.get_collection(name).config
    assert config.params.vectors == PLANE.model_copy(update={"on_disk": True})
    assert (config.hnsw_config.m, config.hnsw_config.ef_construct) == (8, 77)
    assert (config.optimizer_config.indexing_threshold, config.metadata) == (5, {"a": 1})
    assert config.params.on_disk_payload is False


def test_an_alias_stands_for_its_collection_in_reads_and_writes(client: QdrantClient, name: str) -> None:
    client.create_collection(name, vectors_config=PLANE)
    alias, renamed = f"{name}-alias", f"{name}-renamed"
    create = models.CreateAlias(collection_name=name, alias_name=alias)
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])
    client.upsert(alias, [models.PointStruct(id=1, vector=[1, 1])])
    assert client.count(name).count == client.count(alias).count == 1
    rename = models.RenameAlias(old_alias_name=alias, new_alias_name=renamed)
    client.update_collection_aliases([models.RenameAliasOperation(rename_alias=rename)])
    expected = models.AliasDescription(alias_name=renamed, collection_name=name)
    assert client.get_collection_aliases(name).aliases == [expected]
    assert expected in client.get_aliases().aliases
    delete = models.DeleteAlias(alias_name=renamed)
    client.update_collection_aliases([models.DeleteAliasOperation(delete_alias=delete)])
    assert client.get_collection_aliases(name).aliases == []


INDEXES = [
    models.PayloadSchemaType.DATETIME,
    models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False),
    models.FloatIndexParams(type=models.FloatIndexType.FLOAT, on_disk=True),
    models.GeoIndexParams(type=models.GeoIndexType.GEO),
    models.BoolIndexParams(type=models.BoolIndexType.BOOL),
    models.UuidIndexParams(type=models.UuidIndexType.UUID),
    models.TextIndexParams(
        type=models.TextIndexType.TEXT,
        tokenizer=models.TokenizerType.WORD,
        min_token_len=2,
        lowercase=True,
        phrase_matching=True,
        stopwords=models.StopwordsSet(languages=[models.Language.ENGLISH], custom=["foo"]),
        stemmer=models.SnowballParams(type=models.Snowball.SNOWBALL, language=models.SnowballLanguage.ENGLISH),
    ),
]


@pytest.mark.parametrize("schema", INDEXES, ids=lambda schema: getattr(schema, "type", schema).value)
def test_a_payload_index_is_made_told_back_and_dropped(
    client: QdrantClient, name: str, schema: models.PayloadFieldSchema
) -> None:
    client.create_collection(name, vectors_config=PLANE)
    client.create_payload_index(name, "f", schema)
    index = client.get_collection(name).payload_schema["f"]
    assert (index.data_type if isinstance(schema, models.PayloadSchemaType) else index.params) == schema
    client.delete_payload_index(name, "f")
    assert client.get_collection(name).payload_schema == {}


def test_named_vectors_are_added_and_removed(client: QdrantClient, name: str) -> None:
    client.create_collection(name, vectors_config={"a": PLANE})
    dense = models.DenseVectorConfig(size=3, distance=models.Distance.COSINE)
    client.create_vector_name(name, "b", models.DenseVectorNameConfig(dense=dense))
    client.create_vector_name(name, "s", models.SparseVectorNameConfig(sparse=models.SparseVectorConfig()))
    client.upsert(name, [models.PointStruct(id=1, vector={"b": [0, 0, 1], "s": models.SparseVector(indices=[1], values=[1])})])
    client.delete_vector_name(name, "a")
    params = client.get_collection(name).config.params
    assert isinstance(params.vectors, dict)
    assert (set(params.vectors), set(params.sparse_vectors or {})) == ({"b"}, {"s"})
    assert client.query_points(name, query=[0.0, 0.0, 1.0], using="b").points[0].id == 1


def test_the_service_pages_answer(server: QdrantServer) -> None:
    pages = {path: httpx.get(server.url + path) for path in ("/", "/healthz", "/readyz", "/livez", "/metrics", "/telemetry")}
    assert {path: page.status_code for path, page in pages.items()} == dict.fromkeys(pages, 200)
    assert pages["/"].json()["title"] == "qdrant - vector search engine"
    assert "collections_total" in pages["/metrics"].text


def test_the_version_is_told_over_both_protocols(client: QdrantClient, server: QdrantServer) -> None:
    assert client.info().version == httpx.get(server.url).json()["version"]


@pytest.mark.parametrize("prefer_grpc", [False, True])
async def test_asynchronous_clients_write_at_the_same_time(server: QdrantServer, name: str, prefer_grpc: bool) -> None:
    client = AsyncQdrantClient(url=server.url, grpc_port=server.grpc_port, prefer_grpc=prefer_grpc, check_compatibility=False)
    await client.create_collection(name, vectors_config=PLANE)
    batches = [[models.PointStruct(id=20 * k + n, vector=[k, n]) for n in range(20)] for k in range(20)]
    await asyncio.gather(*(client.upsert(name, batch) for batch in batches))
    assert (await client.count(name)).count == 400
    answers = await asyncio.gather(*(client.query_points(name, query=[1.0, float(k + 1)], limit=1) for k in range(20)))
    assert [answer.points[0].id for answer in answers] == [399] * 20
    await client.close()
