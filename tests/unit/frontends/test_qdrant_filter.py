"""The model's meaning of a filter, held against Qdrant's own engine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import qdrant_edge as edge
from qdrant_client import models
from qdrant_client.conversions.conversion import GrpcToRest
from unit.frontends import qdrant_filters

from proxy.backends.qdrant.filter import compile_filter as compile_for_qdrant
from proxy.errors import Refused, Unsupported
from proxy.frontends.qdrant.filter import filter_of
from proxy.local.qdrant.collection import Collection
from proxy.local.qdrant.errors import Fault
from proxy.local.qdrant.filters import compile_filter
from proxy.model.evaluate import matches
from proxy.model.feature import Feature
from proxy.model.filter import AnyElement, Equals, HasId, Nested
from proxy.model.point import Key, Point, Sparse
from proxy.model.schema import IdKind, Schema

FILTERS = 40_000 if os.environ.get("VECFERRY_NIGHTLY") else 1_000
POINTS = 120
DENSE = np.array([1, 0], np.float32)
SPARSE = Sparse(np.array([1], np.uint32), np.array([1], np.float32))
VECTORS: list[dict[str, Any]] = [{"dense": DENSE}, {"sparse": SPARSE}, {"dense": DENSE, "sparse": SPARSE}, {}]


class Engine:
    """One collection with these payloads, by their places as ids."""

    def __init__(self, directory: Path, payloads: Sequence[dict[str, Any]]) -> None:
        directory.mkdir()
        wanted = models.CreateCollection(
            vectors={"dense": models.VectorParams(size=2, distance=models.Distance.DOT)},
            sparse_vectors={"sparse": models.SparseVectorParams()},
        )
        self._collection = Collection.create("c", directory, wanted)
        points = [edge.Point(n, _engine_vectors(n), payload) for n, payload in enumerate(payloads)]
        self._collection.update(edge.UpdateOperation.upsert_points(points))

    def matching(self, found: models.Filter) -> list[int]:
        page = edge.ScrollRequest(limit=POINTS, filter=compile_filter(found), with_payload=False, with_vector=False)
        return [int(record.id) for record in self._collection.scroll(page)[0]]


def _engine_vectors(n: int) -> dict[str, Any]:
    found = VECTORS[n % 4]
    return {
        name: edge.SparseVector([1], [1.0]) if isinstance(vector, Sparse) else vector.tolist() for name, vector in found.items()
    }


def _matching(payloads: Sequence[dict[str, Any]], found: models.Filter) -> list[int]:
    condition = filter_of(found)
    points = [Point(Key("c", None, n), VECTORS[n % 4], payload) for n, payload in enumerate(payloads)]
    return [n for n, point in enumerate(points) if matches(condition, point)]


def _said(found: models.Filter) -> str:
    return found.model_dump_json(exclude_none=True, by_alias=True)


def test_a_filter_means_what_the_engine_makes_of_it(tmp_path: Path) -> None:
    chance = Random(4)
    payloads = [qdrant_filters.payload(chance) for _ in range(POINTS)]
    engine = Engine(tmp_path / "c", payloads)
    for _ in range(FILTERS):
        found = qdrant_filters.a_filter(chance)
        ours, theirs = _matching(payloads, found), engine.matching(found)
        assert ours == theirs, f"{_said(found)}: {[(n, payloads[n]) for n in set(ours) ^ set(theirs)][:3]}"


def test_a_filter_comes_back_from_the_model_with_its_meaning(tmp_path: Path) -> None:
    """But where the model tells more apart than Qdrant's conditions can."""
    chance = Random(5)
    payloads = [qdrant_filters.payload(chance) for _ in range(POINTS)]
    engine, schema = Engine(tmp_path / "c", payloads), Schema("c", {}, id_kind=IdKind.UINT64_OR_UUID)
    returned, refused = 0, set[Feature]()
    for _ in range(FILTERS // 4):
        found = qdrant_filters.a_filter(chance)
        try:
            compiled = compile_for_qdrant(filter_of(found), schema)
        except Unsupported as refusal:
            refused.add(refusal.feature)
            continue
        back = models.Filter() if compiled is None else GrpcToRest.convert_filter(compiled)
        assert engine.matching(back) == engine.matching(found), _said(found)
        returned += 1
    assert returned > FILTERS // 10
    lacking = {Feature.FILTER_EXISTS, Feature.FILTER_TEXT, Feature.FILTER_ARRAY, Feature.FILTER_LIKE, Feature.FILTER_NESTED}
    assert refused <= lacking


def _with(condition: models.Condition) -> models.Filter:
    return models.Filter(must=[condition])


def _key(key: str) -> models.Filter:
    return _with(models.FieldCondition(key=key, match=models.MatchValue(value=1)))


@pytest.mark.parametrize(
    ("key", "meaning"),
    [
        ("a", Equals(("a",), 1)),
        ("a-1.b_2", Equals(("a-1", "b_2"), 1)),
        ("a[10].b", Equals(("a", 10, "b"), 1)),
        ('"a.b[]"."c d"', Equals(("a.b[]", "c d"), 1)),
        ("größe", Equals(("größe",), 1)),
        ("a[].b", Nested(("a",), Equals(("b",), 1))),
        ("a[]", AnyElement(("a",), Equals((), 1))),
        ("a[][0].b", AnyElement(("a",), Equals((0, "b"), 1))),
        ("a[].b[][]", Nested(("a",), AnyElement(("b",), AnyElement((), Equals((), 1))))),
        ("a.b[].c[0].d[].e", Nested(("a", "b"), Nested(("c", 0, "d"), Equals(("e",), 1)))),
    ],
)
def test_a_key_is_a_path(key: str, meaning: object) -> None:
    assert filter_of(_key(key)) == meaning


@pytest.mark.parametrize("key", ["", "a.", ".a", "a..b", "[0]", "a[x]", "a[-1]", "a[]b", 'a"b"', 'a"', "a b", "a/b", "$a"])
def test_what_is_no_path_is_refused_as_by_the_engine(key: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="invalid JSON path"):
        filter_of(_key(key))
    with pytest.raises(Fault, match="invalid JSON path"):
        Engine(tmp_path / "c", []).matching(_key(key))


def test_every_spelling_of_a_uuid_is_one_id() -> None:
    spellings = ["936da01f-9abd-4d9d-80c7-02af85c822a8", "936DA01F9ABD4D9D80C702AF85C822A8"]
    spellings.append("urn:uuid:" + spellings[0])
    meaning = filter_of(_with(models.HasIdCondition(has_id=[*spellings, 7])))
    assert meaning == HasId(frozenset({UUID(spellings[0]), 7}))


@pytest.mark.parametrize("wrong", [-1, 2**64, "1", "x"])
def test_what_is_no_id_is_refused(wrong: int | str) -> None:
    with pytest.raises(Refused, match="not a valid point ID"):
        filter_of(_with(models.HasIdCondition(has_id=[wrong])))


def test_slices_are_refused_by_name() -> None:
    with pytest.raises(Refused, match="`slice` is not supported"):
        filter_of(_with(models.SliceCondition(slice=models.Slice(total=2, index=0))))


def test_a_filter_of_endless_depth_is_refused() -> None:
    found = models.Filter()
    for _ in range(100):
        found = models.Filter.model_construct(must=[found], should=None, must_not=None, min_should=None)
    with pytest.raises(Refused, match="levels"):
        filter_of(found)


def test_an_open_ring_is_refused() -> None:
    points = [models.GeoPoint(lon=n, lat=n * n) for n in range(4)]
    polygon = models.GeoPolygon(exterior=models.GeoLineString(points=points))
    with pytest.raises(Refused, match="polygon invalid"):
        filter_of(_with(models.FieldCondition(key="a", geo_polygon=polygon)))
