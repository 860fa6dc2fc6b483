from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.plain_parts import PlainCatalog
from qdrant_client import grpc
from qdrant_schemas import RANK, dense, schema

from proxy.backends.memory import MemoryBackend
from proxy.backends.milvus.fit import fit as fit_of_milvus
from proxy.backends.milvus.generation import generation_of
from proxy.backends.milvus.landing import landing_of
from proxy.backends.qdrant.address import grpc_url
from proxy.backends.qdrant.names import collection_name, json_path, parse_collection_name
from proxy.backends.qdrant.schema import create, fit, parse_schema, payload_indexes, vector_clashes
from proxy.config import SideConfig
from proxy.errors import ConfigError, Unsupported
from proxy.model.schema import DType, Field, FieldType, IdKind, Metric, Product, Schema, VectorField, VectorKind
from proxy.qdrant.schema import CUSTOM_SHARDING, native_of

SPARSE = VectorField("s", VectorKind.SPARSE, 0, Metric.DOT)


def test_named_and_sparse_vectors_are_created_under_their_names() -> None:
    request = create(schema(dense(Metric.DOT), SPARSE))

    assert request.vectors_config.params_map.map["v"].distance == grpc.Distance.Dot
    assert list(request.sparse_vectors_config.map) == ["s"]


def test_the_unnamed_vector_stays_unnamed() -> None:
    assert create(schema(dense(name="", dim=3))).vectors_config.params.size == 3


def test_declared_fields_and_our_own_get_payload_indexes() -> None:
    fields = (
        RANK,
        Field("tags", FieldType.ARRAY, element=FieldType.STRING),
        Field("a b", FieldType.FLOAT32),
        Field("j", FieldType.JSON),
    )

    indexes = payload_indexes(schema(fields=fields, id_kind=IdKind.STRING))

    assert indexes == {
        "rank": grpc.FieldType.FieldTypeInteger,
        "tags": grpc.FieldType.FieldTypeKeyword,
        '"a b"': grpc.FieldType.FieldTypeFloat,
        "__id__": grpc.FieldType.FieldTypeKeyword,
        "__partition__": grpc.FieldType.FieldTypeKeyword,
        "__empty__": grpc.FieldType.FieldTypeKeyword,
    }


def test_a_collection_of_the_products_own_kind_gets_no_field_of_ours() -> None:
    assert payload_indexes(schema(id_kind=IdKind.UINT64_OR_UUID)) == {}


def test_the_fit_shows_what_will_be_created() -> None:
    found = fit(schema(dense(Metric.EUCLIDEAN)))

    assert found.target["vectors_config"] == {"params_map": {"map": {"v": {"size": "2", "distance": "Euclid"}}}}
    assert (found.losses, found.refusals) == ((), ())


def test_a_collection_of_qdrants_own_loses_nothing() -> None:
    params = grpc.VectorParams(size=2, distance=grpc.Distance.Cosine, datatype=grpc.Datatype.Float16)
    config = grpc.CollectionConfig(params=grpc.CollectionParams(vectors_config=grpc.VectorsConfig(params=params)))
    vector = dense(Metric.COSINE, DType.FLOAT16, name="")
    own = replace(schema(vector, id_kind=IdKind.UINT64_OR_UUID), native=native_of(config, {}))
    assert fit(own).losses == ()
    assert fit(replace(own, native={})).losses != ()


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        (schema(), "length"),
        (schema(dense(Metric.DOT, DType.FLOAT16)), "float32"),
        (schema(dense(None)), "no metric"),
        (schema(id_kind=IdKind.STRING), "__id__"),
        (schema(partitions=("p",)), "__partition__"),
        (schema(fields=(Field("j", FieldType.JSON),)), "index"),
        (schema(fields=(Field('a"b', FieldType.INT64),)), "filters"),
    ],
)
def test_each_loss_is_told(wanted: Schema, word: str) -> None:
    assert any(word in loss for loss in fit(wanted).losses)


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        (schema(dense(Metric.HAMMING, DType.BINARY)), "binary"),
        (schema(dense(Metric.JACCARD)), "jaccard"),
        (schema(dense(dim=70_000)), "dimension"),
        (schema(VectorField("s", VectorKind.SPARSE, 0, Metric.EUCLIDEAN)), "sparse"),
        (Schema("c", {}), "no vector"),
    ],
)
def test_each_refusal_is_told(wanted: Schema, word: str) -> None:
    assert any(word in refusal for refusal in fit(wanted).refusals)


def test_a_collection_with_custom_sharding_is_refused_by_that_name_whatever_the_target() -> None:
    params = grpc.CollectionParams(
        vectors_config=grpc.VectorsConfig(params=grpc.VectorParams(size=2, distance=grpc.Distance.Dot)),
        sharding_method=grpc.ShardingMethod.Custom,
    )
    found = parse_schema("c", grpc.CollectionInfo(config=grpc.CollectionConfig(params=params)))

    targets = fit(found), fit_of_milvus(landing_of(found), generation_of("v2.4.0")), MemoryBackend(PlainCatalog()).fit(found)

    assert [target.refusals for target in targets] == [(CUSTOM_SHARDING,)] * 3


def test_clashes_name_the_vector_and_both_forms() -> None:
    assert vector_clashes(schema(dense(Metric.DOT)), schema(dense(Metric.COSINE))) == [
        "vector v is dense, dimension 2, cosine, not dense, dimension 2, dot"
    ]
    assert vector_clashes(schema(dense(None)), schema(dense(Metric.COSINE))) == []
    assert vector_clashes(schema(dense(), SPARSE), schema(dense())) == ["vector s is absent, not sparse"]


@pytest.mark.parametrize("name", ["plain", "database/name", "100%", "a%2Fb", "ü b", 'q"\\*?<>|:'])
def test_names_of_collections_come_back(name: str) -> None:
    mapped = collection_name(name)

    assert parse_collection_name(mapped) == name
    assert not set(mapped) & set('/\\<>:"|?*\0')


def test_ordinary_names_stay() -> None:
    assert collection_name("My_collection-1.2") == "My_collection-1.2"


def test_paths_are_quoted_where_they_must_be() -> None:
    assert json_path(("a", "b c", 0, "")) == 'a."b c"[0].""'
    with pytest.raises(Unsupported):
        json_path(("a\\b",))


@pytest.mark.parametrize(
    ("url", "given", "used"),
    [
        ("http://host:6333", None, "http://host:6334"),
        ("https://host", None, "https://host:6334"),
        ("http://[::1]:6333", None, "http://[::1]:6334"),
        ("http://host:1234", "http://other:99", "http://other:99"),
        ("http://host:1234", "https://other", "https://other:6334"),
    ],
)
def test_the_grpc_port_is_the_usual_one_unless_given(url: str, given: str | None, used: str) -> None:
    assert grpc_url(SideConfig(product=Product.QDRANT, url=url, grpc_url=given)) == used


def test_beside_an_unusual_port_the_grpc_port_must_be_given() -> None:
    with pytest.raises(ConfigError, match="grpc_url"):
        grpc_url(SideConfig(product=Product.QDRANT, url="http://host:1234"))
