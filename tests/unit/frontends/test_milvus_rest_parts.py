"""What is read of a REST body in part is what the whole body says."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milvus_requests import KEY, VECTOR, OneCatalog, collection, frontend

from proxy.errors import NotFound, Refused
from proxy.frontends.milvus import rest, rest_parts
from proxy.model.operation import Opaque, Put, Write
from proxy.ports import Request

NAMES = st.sampled_from(["dbName", "collectionName", "data", "id"])
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=5)


def request(body: bytes) -> Request:
    return Request(b"POST", b"/v1/vector/upsert", (), body)


def decoded(body: bytes) -> Write:
    found = frontend().decode(request(body), OneCatalog(collection(KEY, VECTOR)))
    assert isinstance(found, Write)
    return found


def ids(body: bytes) -> list[object]:
    found = decoded(body)
    assert isinstance(found, Put)
    return [point.key.id for point in found.points]


@settings(max_examples=200, deadline=None)
@given(BODIES)
def test_names_and_ids_are_those_of_the_whole_body(body: dict[str, object]) -> None:
    raw = orjson.dumps(body)
    found = rest_parts.names(raw)
    assert found is not None
    assert (found.dbName, found.collectionName) == (body.get("dbName"), body.get("collectionName"))
    rows = body.get("data")
    rows = rows if isinstance(rows, list) else [rows]
    whole = [row["id"] for row in rows] if all(isinstance(row, dict) and "id" in row for row in rows) else None
    found_rows = rest_parts.rows(raw, "id")
    assert (None if found_rows is None else (found_rows.named, found_rows.ids)) == (None if whole is None else (found, whole))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"data": [{"collectionName": "x"}], "collectionName": "c"}', "c"),
        (b'{"collectionName": "x", "collectionName": "c"}', "c"),
        (b'{"dbName": "default", "collectionName": "c"}', "c"),
        (b'{"dbName": null, "collectionName": 5}', "5"),
        (b'{"t": "\\"collectionName\\": \\"x\\""}', ""),
        (b"", ""),
    ],
)
def test_the_name_is_the_body_s_own_and_the_last(body: bytes, named: str) -> None:
    assert rest.named(request(body)) == named


@pytest.mark.parametrize(
    "body",
    [b"[1]", b"{", b'{"collectionName": "c"} x', b'{"collectionName": "\xff"}', b'{"x": ' + b"[" * 10**6 + b"]" * 10**6 + b"}"],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        rest.named(request(body))


def test_ids_come_from_one_row_or_several() -> None:
    assert ids(b'{"collectionName": "c", "data": {"v": [1, 2], "id": 5}}') == [5]
    assert ids(b'{"data": [{"id": 5, "v": [1, 2]}, {"v": [[]], "id": "6"}], "collectionName": "c"}') == [5, 6]
    assert ids(b'{"collectionName": "c", "data": []}') == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"collectionName": "other", "data": [{"id": 5}], "collectionName": "c"}',
        b'{"dbName": "other", "collectionName": "c", "data": [{"id": 5}], "dbName": "default"}',
        b'{"collectionName": "other", "data": [{"id": 5}], "\\u0063ollectionName": "c"}',
        b'{"collectionName": "c", "x": "\\"data\\"", "data": [{"id": 5}]}',
        b'{"x": {"data": 1}, "collectionName": "c", "data": [{"id": 5}]}',
        b'{"collectionName": "c", "data": [{"id": 4}], "data": [{"id": 5}]}',
        b'{"collectionName": "c", "d\\u0061ta": [{"id": 5}]}',
        b'{"data": [{"id": 5}], "x": "' + b"x" * 5000 + b'", "collectionName": "c"}',
    ],
)
def test_names_before_the_rows_are_a_guess_that_the_rest_of_the_body_corrects(body: bytes) -> None:
    catalog = OneCatalog(collection(KEY, VECTOR))
    found = frontend().decode(request(body), catalog)
    assert isinstance(found, Put)
    assert (found.collection, [point.key.id for point in found.points]) == ("c", [5])


def test_the_rows_of_a_body_are_gone_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "names", pytest.fail)
    assert ids(b'{"collectionName": "c", "data": [{"id": 5, "v": [1, 2]}]}') == [5]


@pytest.mark.parametrize("data", [b'[{"id": 5}, {"v": [1, 2]}]', b'[{"id": 5}, 7]', b"null", b"7"])
def test_rows_of_which_one_has_no_id_are_opaque(data: bytes) -> None:
    assert isinstance(decoded(b'{"collectionName": "c", "data": ' + data + b"}"), Opaque)


@pytest.mark.parametrize("id", [b"9223372036854775808", b"-9223372036854775809", b"1" * 30, b"1.5", b'"x"', b"null"])
def test_an_id_that_is_no_64_bit_number_is_refused(id: bytes) -> None:
    with pytest.raises(Refused):
        decoded(b'{"collectionName": "c", "data": [{"id": ' + id + b"}]}")


def test_a_collection_that_nobody_knows_is_not_found() -> None:
    with pytest.raises(NotFound):
        decoded(b'{"collectionName": "other", "data": []}')
