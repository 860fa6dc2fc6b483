"""The official client's writes against our frontend over the memory backend, beside the same against Qdrant's own engine.

Both must be in the same state after each, and fail in the same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_facade import FacadeServer
from qdrant_failure import failure
from qdrant_scenario import WRITES, C, create

from proxy.model.operation import Scan
from proxy.model.point import Point, Sparse, Vector
from tests.servers.qdrant import QdrantServer


def _of_engine(client: QdrantClient) -> dict[str, Any]:
    records, _ = client.scroll(C, limit=1000, with_vectors=True)
    return {str(each.id): (each.payload or {}, _plain(each.vector or {})) for each in records}


def _of_facade(server: FacadeServer) -> dict[str, Any]:
    page = server.call(server.facade.backend.scan(Scan(C, 1000)))
    return {str(point.key.id): (dict(point.payload), _vectors(point)) for point in page.points}


def _plain(vectors: Any) -> dict[str, Any]:
    return {name: {**dict(found)} if hasattr(found, "indices") else found for name, found in vectors.items()}


def _vectors(point: Point) -> dict[str, Any]:
    return {name: _listed(vector) for name, vector in point.vectors.items()}


def _listed(vector: Vector) -> Any:
    if isinstance(vector, Sparse):
        return {"indices": vector.indices.tolist(), "values": vector.values.tolist()}
    return vector.tolist()


def _agree(ours: dict[str, Any], theirs: dict[str, Any], after: str) -> None:
    assert ours.keys() == theirs.keys(), after
    for number, (payload, vectors) in ours.items():
        assert payload == theirs[number][0], (after, number)
        assert vectors.keys() == theirs[number][1].keys(), (after, number)
        for name, vector in vectors.items():
            _same_vector(vector, theirs[number][1][name], (after, number, name))


def _same_vector(ours: Any, theirs: Any, where: Any) -> None:
    if isinstance(ours, dict):
        assert ours["indices"] == theirs["indices"], where
        ours, theirs = ours["values"], theirs["values"]
    # a unit in the last place of float32: the engine adds up squares in another order
    np.testing.assert_allclose(ours, theirs, rtol=1.3e-7, err_msg=str(where))


@pytest.mark.parametrize("prefer_grpc", [False, True], ids=["rest", "grpc"])
def test_every_write_leaves_what_qdrants_own_engine_has_and_fails_as_it_does(
    server: FacadeServer, engine: QdrantServer, prefer_grpc: bool
) -> None:
    ours, theirs = server.client(prefer_grpc=prefer_grpc), engine.client(prefer_grpc=prefer_grpc)
    theirs.delete_collection(C)
    for client in (ours, theirs):
        assert create(client)
    for name, step in WRITES.items():
        assert failure(ours, step) == failure(theirs, step), name
        _agree(_of_facade(server), _of_engine(theirs), name)
    ours.close()
    theirs.close()
