from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from qdrant_client import grpc
from qdrant_schemas import key, schema

from proxy.backends.qdrant.ids import mapped_id, next_id, parse_id, parse_key, point_id
from proxy.backends.qdrant.names import ID, PARTITION
from proxy.errors import Refused
from proxy.model.schema import IdKind

TEXTS = schema(id_kind=IdKind.STRING)
OWN = schema(id_kind=IdKind.UINT64_OR_UUID)
UUID_TEXT = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


def test_a_number_from_zero_stays_what_it_is() -> None:
    assert [mapped_id(key(n), schema()) for n in (0, 7, 2**63 - 1)] == [0, 7, 2**63 - 1]


def test_a_negative_number_is_its_twos_complement() -> None:
    assert [mapped_id(key(n), schema()) for n in (-1, -(2**63))] == [2**64 - 1, 2**63]


def test_the_numbers_of_a_partition_are_in_order() -> None:
    mapped = [mapped_id(key(n, "p"), schema()) for n in (-(2**63), -1, 0, 1, 2**63 - 1)]

    assert mapped == sorted(mapped, key=str)


def test_a_text_becomes_the_uuid_that_the_vendors_own_tool_makes() -> None:
    assert mapped_id(key("some/text"), TEXTS) == uuid5(NAMESPACE_URL, "some/text")


def test_a_text_in_uuid_form_is_that_uuid_but_another_spelling_is_another_id() -> None:
    spellings = [UUID_TEXT, UUID_TEXT.upper(), UUID_TEXT.replace("-", ""), f"urn:uuid:{UUID_TEXT}"]

    mapped = [mapped_id(key(text), TEXTS) for text in spellings]

    assert mapped[0] == UUID(UUID_TEXT)
    assert len(set(mapped)) == len(spellings)


def test_no_two_keys_share_an_id() -> None:
    keys = [key(1), key(-1), key(1, "p"), key(1, "q"), key("1"), key("1", "p"), key("-1"), key('["p", "1"]')]

    assert len({mapped_id(each, TEXTS) for each in keys}) == len(keys)


def test_a_mapped_id_never_changes() -> None:
    """Points that an earlier release wrote must be found."""
    assert str(mapped_id(key(1, "p"), schema())) == "19c48072-8810-594e-8000-000000000001"
    assert str(mapped_id(key("a", "p"), TEXTS)) == "d45d03b4-52c5-5bef-9f79-7d7f1a7440dd"


@pytest.mark.parametrize("wrong", [key("text"), key(-1), key(2**64), key(1, "p")], ids=str)
def test_a_collection_of_the_products_own_kind_takes_only_its_own_ids(wrong: object) -> None:
    with pytest.raises(Refused):
        mapped_id(wrong, OWN)  # type: ignore[arg-type]


@pytest.mark.parametrize("mapped", [0, 2**64 - 1, UUID(UUID_TEXT)], ids=str)
def test_ids_cross_the_wire(mapped: int | UUID) -> None:
    assert parse_id(point_id(mapped)) == mapped


def test_behind_the_last_number_come_the_uuids() -> None:
    assert next_id(41) == 42
    assert next_id(2**64 - 1) == UUID(int=0)
    assert next_id(UUID(int=5)) == UUID(int=6)
    assert next_id(UUID(int=2**128 - 1)) is None


def test_the_key_is_read_from_the_payload() -> None:
    found = parse_key(grpc.PointId(uuid=UUID_TEXT), {ID: "a", PARTITION: "p"}, TEXTS)

    assert found == key("a", "p")


def test_a_point_that_somebody_else_wrote_keeps_the_id_that_it_has_there() -> None:
    assert parse_key(grpc.PointId(num=7), {}, schema()) == key(7)
    assert parse_key(grpc.PointId(uuid=UUID_TEXT), {ID: "user's own"}, OWN).id == UUID(UUID_TEXT)
    assert parse_key(grpc.PointId(num=2**64 - 1), {}, schema()) == key(-1)
