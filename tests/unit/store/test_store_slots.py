from __future__ import annotations

from pathlib import Path

from proxy.store.slots import Slots

ROLES = ("data", "data+1")


def test_an_index_keeps_its_port_over_a_restart(tmp_path: Path) -> None:
    first = Slots(tmp_path, ROLES)
    assert [first.take(name) for name in ("a", "b", "a")] == ["data", "data+1", "data"]
    again = Slots(tmp_path, ROLES)
    assert (again.role("b"), again.index("data")) == ("data+1", "a")


def test_what_another_process_took_is_seen(tmp_path: Path) -> None:
    one, other = Slots(tmp_path, ROLES), Slots(tmp_path, ROLES)
    assert one.index("data") == ""
    assert other.take("b") == "data"
    assert one.index("data") == "b"
    assert one.take("a") == "data+1"
    assert other.indexes() == {"a", "b"}


def test_a_port_goes_to_another_index_only_when_its_own_is_gone_and_no_unused_one_is_left(tmp_path: Path) -> None:
    slots = Slots(tmp_path, ROLES)
    slots.take("a")
    assert slots.take("b", gone={"a"}) == "data+1"
    assert slots.take("c") == ""
    assert slots.take("c", gone={"a"}) == "data"
    assert slots.index("data") == "c"


def test_of_two_that_are_gone_the_port_that_was_given_first_goes_first(tmp_path: Path) -> None:
    slots = Slots(tmp_path, ROLES)
    slots.take("a", role="data+1")
    slots.take("b")
    assert slots.take("c", gone={"a", "b"}) == "data+1"
    assert slots.take("d", gone={"a", "b"}) == "data"


def test_a_file_that_cannot_be_read_means_that_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "pinecone.json").write_text("[")
    slots = Slots(tmp_path, ROLES)
    assert slots.index("data") == ""
    assert slots.take("a") == "data"


def test_ports_that_the_settings_have_no_more_are_forgotten(tmp_path: Path) -> None:
    slots = Slots(tmp_path, ROLES)
    assert [slots.take("a"), slots.take("b")] == ["data", "data+1"]
    fewer = Slots(tmp_path, ROLES[:1])
    assert (fewer.role("a"), fewer.role("b"), fewer.take("b")) == ("data", "", "")
