"""The frontend's filters against what a real Milvus 2.3.5 found for the same expressions over the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from milvus_facade import Facade, FacadeServer
from pymilvus import MilvusClient, MilvusException
from shelf import ACCEPTED_HERE, ARRAY_MEETS_A_SCALAR, ARRAY_UNDER_A_SCALAR, MEASURED, NAME, REFUSED_HERE, fill

from proxy.errors import Refused, Unsupported
from proxy.frontends.milvus.filter import filter_of
from proxy.frontends.milvus.operand import Scope
from proxy.model.evaluate import matches
from proxy.model.operation import Scan
from proxy.model.point import Point
from proxy.model.schema import Schema


@pytest.fixture(scope="module")
def shelf() -> Iterator[tuple[Schema, tuple[Point, ...]]]:
    facade = Facade()
    with FacadeServer(facade) as server:
        client = MilvusClient(server.url)
        fill(client)
        page = server._call(facade.backend.scan(Scan(NAME, 100)))
        yield facade.catalog.schema(NAME), page.points
        client.close()


@pytest.mark.parametrize("text", [text for text, found in MEASURED.items() if found is not None and text not in REFUSED_HERE])
def test_an_expression_finds_what_milvus_found(shelf: tuple[Schema, tuple[Point, ...]], text: str) -> None:
    schema, points = shelf
    condition = filter_of(text, Scope(schema, {}, prefix_only=True))
    found = {point.key.id for point in points if matches(condition, point)}
    differs = {ARRAY_UNDER_A_SCALAR} if text in ARRAY_MEETS_A_SCALAR else set()
    assert found ^ set(MEASURED[text] or ()) == differs


@pytest.mark.parametrize("text", [text for text, found in MEASURED.items() if found is None and text not in ACCEPTED_HERE])
def test_what_milvus_refuses_is_refused(shelf: tuple[Schema, tuple[Point, ...]], text: str) -> None:
    with pytest.raises(Refused):
        filter_of(text, Scope(shelf[0], {}, prefix_only=True))


@pytest.mark.parametrize("text", sorted(REFUSED_HERE))
def test_what_the_model_cannot_say_is_refused_by_feature(shelf: tuple[Schema, tuple[Point, ...]], text: str) -> None:
    assert MEASURED[text] is not None
    with pytest.raises(Unsupported):
        filter_of(text, Scope(shelf[0], {}))


@pytest.mark.milvus
def test_a_real_server_still_finds_the_same(milvus: Any) -> None:
    client = MilvusClient(milvus.url)
    if client.has_collection(NAME):
        client.drop_collection(NAME)
    fill(client)
    client.query(NAME, filter="pk >= 0", output_fields=["pk"], consistency_level="Strong")
    assert {text: _found(client, text) for text in MEASURED} == MEASURED
    client.close()


def _found(client: MilvusClient, text: str) -> list[int] | None:
    try:
        return sorted(row["pk"] for row in client.query(NAME, filter=text, output_fields=["pk"], limit=100))
    except MilvusException:
        return None
