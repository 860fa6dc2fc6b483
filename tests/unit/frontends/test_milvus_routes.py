from __future__ import annotations

from pymilvus.grpc_gen import milvus_pb2

from proxy.frontends.milvus.routes import METHODS, SERVICE, route
from proxy.ports import Kind, Retry


def test_every_method_of_the_service_is_classified() -> None:
    methods = {method.name for method in milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"].methods}
    assert set(METHODS) == methods


def test_a_write_is_never_sent_twice() -> None:
    assert all(each.retry is Retry.NEVER for each in METHODS.values() if each.kind in (Kind.WRITE, Kind.SCHEMA, Kind.OPAQUE))


def test_a_delete_is_decoded_before_it_is_forwarded() -> None:
    assert [name for name, each in METHODS.items() if each.by_filter] == ["Delete"]


def test_an_import_changes_data_in_a_way_that_is_not_followed() -> None:
    assert route(b"POST", (SERVICE + "Import").encode()).changes_data


def test_an_unknown_path_changes_data_unless_it_is_read() -> None:
    posted, read = route(b"POST", b"/some/where?x=1"), route(b"GET", b"/some/where")
    assert (posted.kind, posted.changes_data) == (Kind.OPAQUE, True)
    assert (read.kind, read.changes_data) == (Kind.OPAQUE, False)
    assert posted.name == route(b"POST", b"/else").name


def test_rest_writes_are_followed_and_its_other_calls_are_opaque() -> None:
    assert route(b"POST", b"/v1/vector/insert").kind is Kind.WRITE
    assert route(b"POST", b"/v1/vector/search").kind is Kind.OPAQUE
    assert not route(b"POST", b"/v1/vector/search").changes_data
    assert route(b"POST", b"/v1/vector/collections/drop").changes_data
