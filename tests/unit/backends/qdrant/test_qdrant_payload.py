from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import grpc
from qdrant_schemas import key, schema

from proxy.backends.originals import decode, encode
from proxy.backends.qdrant.names import EMPTY, EXACT, ID, PARTITION, json_path
from proxy.backends.qdrant.payload import compile_payload, fill, parse_payload, read
from proxy.compare.points import same_payload
from proxy.errors import Broken, Refused, Unsupported
from proxy.model.point import GeoPoint, Value
from proxy.model.schema import IdKind

KEY = key(1)
OWN = schema(id_kind=IdKind.UINT64_OR_UUID)
NAMES = st.one_of(st.text(max_size=5), st.sampled_from(["__id__", "___id__", "__vecferry__", "__empty__", "$int", "a.b"]))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(2**53 - 2, 2**53 + 2),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.uuids(),
    st.datetimes(timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30))])),
    st.builds(GeoPoint, st.floats(-180, 180), st.floats(-90, 90)),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
PAYLOADS = st.dictionaries(NAMES, VALUES, max_size=4)


def over_the_wire(stored: dict[str, Any]) -> dict[str, Any]:
    struct = grpc.PointStruct()
    for name, value in stored.items():
        fill(struct.payload[name], value)
    received = grpc.PointStruct.FromString(struct.SerializeToString())
    return {name: read(value) for name, value in received.payload.items()}


def nested(levels: int, wrap: Callable[[Value], Value]) -> Value:
    value: Value = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda value: {"$a": value}, lambda value: [value]], ids=["objects", "lists"])
@pytest.mark.parametrize("levels", [23, 24, 25, 100])
def test_what_is_nested_deeper_than_protobuf_reads_comes_back_exactly(levels: int, wrap: Callable[[Value], Value]) -> None:
    payload = {"j": nested(levels, wrap), "empty": nested(levels, lambda value: [value] if value != 1 else [])}
    stored = over_the_wire(compile_payload(KEY, payload, {}, schema()))
    assert parse_payload(stored, schema())[0] == payload


@pytest.mark.parametrize("levels", [101, 1000])
def test_what_is_nested_deeper_than_we_keep_is_refused(levels: int) -> None:
    with pytest.raises(Refused, match="nested more than 100 levels deep"):
        compile_payload(KEY, {"j": nested(levels, lambda value: [value])}, {}, schema())


def test_a_filter_cannot_reach_below_what_is_stored() -> None:
    with pytest.raises(Unsupported, match="nested objects is not supported by qdrant: a path of more than 24 steps"):
        json_path(("a",) * 25)


@given(PAYLOADS)
def test_any_payload_comes_back_exactly(payload: dict[str, Any]) -> None:
    stored = over_the_wire(compile_payload(KEY, payload, {}, schema()))

    found, lengths = parse_payload(stored, schema())

    assert same_payload(found, payload, schema())
    assert lengths == {}


@given(VALUES)
def test_exact_values_are_json_and_come_back(value: Any) -> None:
    assert same_payload({"x": decode(encode(value))}, {"x": value}, schema())


def test_what_json_holds_is_stored_as_it_is() -> None:
    payload = {"i": 7, "f": 1.0, "t": "x", "b": True, "n": None, "d": {"a": [1, "x"]}}

    assert compile_payload(KEY, payload, {}, schema()) == {**payload, ID: 1}


@pytest.mark.parametrize(
    ("value", "nearest"),
    [
        (math.inf, 1.7976931348623157e308),
        (-math.inf, -1.7976931348623157e308),
        (math.nan, "NaN"),
        (1e17, 10**17),
        (2**70, float(2**70)),
        (b"\x00\xff", "AP8="),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05+00:00"),
        (GeoPoint(1.5, 2.5), {"lon": 1.5, "lat": 2.5}),
    ],
)
def test_what_json_lacks_is_stored_in_a_form_that_filters_alike(value: Any, nearest: Any) -> None:
    stored = compile_payload(KEY, {"x": value}, {}, schema())

    assert stored["x"] == nearest
    assert type(stored["x"]) is type(nearest)
    assert EXACT in stored


def test_empty_arrays_are_listed_by_their_paths() -> None:
    stored = compile_payload(KEY, {"a": [], "b": {"c.d": [[]]}, "e": [1]}, {}, schema())

    assert stored[EMPTY] == ["a", 'b."c.d"[0]']


def test_id_partition_and_lengths_are_kept_and_never_come_out() -> None:
    stored = compile_payload(key("a", "p"), {"x": 1}, {"v": 2.5}, schema(id_kind=IdKind.STRING))

    assert (stored[ID], stored[PARTITION]) == ("a", "p")
    assert parse_payload(stored, schema(id_kind=IdKind.STRING)) == ({"x": 1}, {"v": 2.5})


def test_a_collection_of_the_products_own_kind_is_left_alone() -> None:
    payload = {"__id__": "the user's", "a": []}

    assert compile_payload(KEY, payload, {"v": 2.0}, OWN) == payload
    assert parse_payload(payload, OWN) == (payload, {})


def test_there_whole_doubles_stay_doubles_and_integers_integers() -> None:
    payload = {"x": [float(2**53), 1e17, 1e300, 2**53 + 1, -(2**63)]}

    assert [type(each) for each in compile_payload(KEY, payload, {}, OWN)["x"]] == [float, float, float, int, int]
    assert over_the_wire(compile_payload(KEY, payload, {}, OWN)) == payload


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**63, [b"x"], {"a": UUID(int=1)}, nested(25, lambda value: [value])])
def test_there_what_cannot_be_stored_is_refused(value: Value) -> None:
    with pytest.raises(Refused, match="'x'"):
        compile_payload(KEY, {"x": value}, {}, OWN)


def test_an_unknown_exact_form_is_told() -> None:
    with pytest.raises(Broken):
        decode({"$matrix": []})
