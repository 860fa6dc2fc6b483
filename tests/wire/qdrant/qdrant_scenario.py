"""Every write that the official client can make, in an order in which each finds something to change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from qdrant_client import QdrantClient
from qdrant_client import models as m

Step = Callable[[QdrantClient], Any]
C: Final = "shop"
URN: Final = "urn:uuid:6E2A1C3B-0000-4000-8000-00000000000A"
SIMPLE: Final = "6e2a1c3b00004000800000000000000b"
VECTORS: Final[Mapping[str, m.VectorParams]] = {
    "text": m.VectorParams(size=4, distance=m.Distance.COSINE),
    "image": m.VectorParams(size=2, distance=m.Distance.EUCLID),
    "tiny": m.VectorParams(size=2, distance=m.Distance.DOT, datatype=m.Datatype.UINT8),
    "half": m.VectorParams(size=2, distance=m.Distance.COSINE, datatype=m.Datatype.FLOAT16),
    "many": m.VectorParams(
        size=2, distance=m.Distance.COSINE, multivector_config=m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM)
    ),
}


def create(client: QdrantClient) -> Any:
    return client.create_collection(C, dict(VECTORS), sparse_vectors_config={"words": m.SparseVectorParams()})


def point(raw: Any, **payload: Any) -> m.PointStruct:
    number = raw if isinstance(raw, int) else 7
    vector = {
        "text": [1.0 * number, 2.0, -3.0, 0.5],
        "image": [float(number), 0.25],
        "tiny": [1.7, -3.0 + 300 * (number % 2)],
        "half": [1.7, 0.3],
        "many": [[3.0, 4.0], [0.0, 2.0]],
        "words": m.SparseVector(indices=[9, 2, 5], values=[0.9, 0.2, 0.5]),
    }
    return m.PointStruct(id=raw, vector=vector, payload=payload)


def where(**equal: Any) -> m.Filter:
    return m.Filter(must=[m.FieldCondition(key=key, match=m.MatchValue(value=value)) for key, value in equal.items()])


def _upsert(*points: m.PointStruct, **how: Any) -> Step:
    return lambda client: client.upsert(C, list(points), **how)


WRITES: Final[Mapping[str, Step]] = {
    "upsert": _upsert(*(point(n, n=n, group=n % 3, deep={"a": 1, "list": [{"x": 1}, {"x": 2}]}) for n in range(1, 13))),
    "upsert of every spelling of a uuid": _upsert(point(URN, n=100), point(SIMPLE, n=101), point(str(UUID(int=3)), n=102)),
    "upsert replaces the whole point": _upsert(m.PointStruct(id=12, vector={"image": [1, 2]}, payload={"fresh": True})),
    "upsert twice in one request": _upsert(point(11, n=1), point(11, n=2)),
    "upsert of payload values": _upsert(
        point(10, none=None, empty=[], float=1.5, big=2**60, text="é", nested=[[1], {"a": None}])
    ),
    "upsert without vectors": _upsert(m.PointStruct(id=13, vector={}, payload={"n": 13})),
    "upsert of columns": lambda client: client.upsert(
        C,
        m.Batch(
            ids=[20, 21],
            vectors={"text": [[1, 0, 0, 0], [0, 3, 4, 0]], "image": [[1, 1], [2, 2]]},
            payloads=[{"n": 20}, {}],
        ),
    ),
    "upsert without waiting": _upsert(point(22, n=22), wait=False),
    "upsert with an ordering": _upsert(point(23, n=23), ordering=m.WriteOrdering.STRONG),
    "upsert only of new ones": _upsert(point(1, n=0), point(24, n=24), update_mode=m.UpdateMode.INSERT_ONLY),
    "upsert only of old ones": _upsert(point(2, n=-2), point(25, n=25), update_mode=m.UpdateMode.UPDATE_ONLY),
    "upsert where it matches": _upsert(point(3, n=-3), point(4, n=-4), point(26, n=26), update_filter=where(n=4)),
    "upsert of old ones where it matches": _upsert(
        point(5, n=-5), point(27), update_filter=where(n=6), update_mode=m.UpdateMode.UPDATE_ONLY
    ),
    "set payload by ids": lambda client: client.set_payload(C, {"color": "red", "n": None}, points=[1, 2, SIMPLE]),
    "set payload by filter": lambda client: client.set_payload(C, {"color": "blue"}, points=where(group=2)),
    "set payload at a key": lambda client: client.set_payload(C, {"b": 2, "a": None}, points=[4], key="deep"),
    "set payload at a new key": lambda client: client.set_payload(C, {"b": 2}, points=[4], key="new.deeper"),
    "set payload in an array": lambda client: client.set_payload(C, {"y": 9}, points=where(group=1), key="deep.list[].z"),
    "set payload of a missing one": lambda client: client.set_payload(C, {"seen": 1}, points=[6, 5000, 7]),
    "overwrite payload by ids": lambda client: client.overwrite_payload(C, {"only": None, "kept": [1]}, points=[8]),
    "overwrite payload by filter": lambda client: client.overwrite_payload(C, {"group": 9}, points=where(group=0)),
    "delete payload by ids": lambda client: client.delete_payload(C, ["color", "deep.a", "nope"], points=[1, 2]),
    "delete payload by filter": lambda client: client.delete_payload(C, ["deep.list[].x"], points=where(color="blue")),
    "delete payload of a missing one": lambda client: client.delete_payload(C, ["n"], points=[5000, 7]),
    "clear payload by ids": lambda client: client.clear_payload(C, [20]),
    "clear payload by filter": lambda client: client.clear_payload(C, m.FilterSelector(filter=where(n=102))),
    "update vectors": lambda client: client.update_vectors(
        C, [m.PointVectors(id=1, vector={"text": [0, 0, 5, 0]}), m.PointVectors(id=13, vector={"image": [7, 7]})]
    ),
    "update vectors of a missing one": lambda client: client.update_vectors(
        C, [m.PointVectors(id=5000, vector={"image": [1, 1]}), m.PointVectors(id=2, vector={"image": [8, 8]})]
    ),
    "update vectors where it matches": lambda client: client.update_vectors(
        C,
        [m.PointVectors(id=n, vector={"image": [-1, -1]}) for n in (7, 11)],
        update_filter=where(n=11),
    ),
    "delete vectors by ids": lambda client: client.delete_vectors(C, ["image", "words"], points=[4, 5]),
    "delete vectors by filter": lambda client: client.delete_vectors(C, ["text"], points=where(group=9)),
    "delete unknown vectors": lambda client: client.delete_vectors(C, ["nope"], points=[4]),
    "batch": lambda client: client.batch_update_points(
        C,
        [
            m.UpsertOperation(upsert=m.PointsList(points=[point(30, n=30, group=30)])),
            m.SetPayloadOperation(set_payload=m.SetPayload(payload={"tag": 1}, filter=where(group=30))),
            m.SetPayloadOperation(set_payload=m.SetPayload(payload={"tag": 2}, points=[21, 22])),
            m.OverwritePayloadOperation(overwrite_payload=m.SetPayload(payload={"gone": 1}, filter=where(n=23))),
            m.DeletePayloadOperation(delete_payload=m.DeletePayload(keys=["tag"], points=[21])),
            m.ClearPayloadOperation(clear_payload=m.PointIdsList(points=[24])),
            m.UpdateVectorsOperation(update_vectors=m.UpdateVectors(points=[m.PointVectors(id=22, vector={"image": [5, 5]})])),
            m.DeleteVectorsOperation(delete_vectors=m.DeleteVectors(vector=["half"], filter=where(tag=1))),
            m.DeleteOperation(delete=m.FilterSelector(filter=where(gone=1))),
            m.DeleteOperation(delete=m.PointIdsList(points=[26, 5001])),
        ],
    ),
    "batch that fails in the middle": lambda client: client.batch_update_points(
        C,
        [
            m.SetPayloadOperation(set_payload=m.SetPayload(payload={"first": 1}, points=[1])),
            m.SetPayloadOperation(set_payload=m.SetPayload(payload={"second": 1}, points=[5000])),
            m.SetPayloadOperation(set_payload=m.SetPayload(payload={"third": 1}, points=[1])),
        ],
    ),
    "delete by ids": lambda client: client.delete(C, [9, str(UUID(int=3)), 5000]),
    "delete by filter": lambda client: client.delete(C, m.FilterSelector(filter=where(color="blue"))),
    "delete without waiting": lambda client: client.delete(C, [21], wait=False),
    "upload": lambda client: client.upload_points(C, [point(n, n=n) for n in range(40, 45)], batch_size=2, wait=True),
    "wrong dimension": _upsert(m.PointStruct(id=1, vector={"image": [1, 2, 3]})),
    "unknown vector": _upsert(m.PointStruct(id=1, vector={"nope": [1, 2, 3]})),
    "no points": _upsert(),
    "no such collection": lambda client: client.delete("nowhere", [1]),
}
