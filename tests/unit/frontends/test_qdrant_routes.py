from __future__ import annotations

import pkgutil
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import qdrant_client.http.api as generated
from qdrant_client.grpc import collections_service_pb2, points_service_pb2, qdrant_pb2, snapshots_service_pb2

from proxy.frontends.qdrant.calls import Call
from proxy.frontends.qdrant.routes import (
    GRPC,
    GRPC_CALLS,
    REST,
    REST_CALLS,
    UNKNOWN,
    UNKNOWN_READ,
    Action,
    endpoint,
    variables,
)
from proxy.ports import Kind, Request, Retry
from proxy.qdrant.messages import BODIES

SERVICES = [
    *points_service_pb2.DESCRIPTOR.services_by_name.values(),
    *collections_service_pb2.DESCRIPTOR.services_by_name.values(),
    *qdrant_pb2.DESCRIPTOR.services_by_name.values(),
    *snapshots_service_pb2.DESCRIPTOR.services_by_name.values(),
]
METHODS = [f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods]


def _documented() -> set[tuple[str, str]]:
    """Of the SDK's REST API, which is generated from the server's own description."""
    calls = re.compile(r'method="([A-Z]+)",\s*url="([^"]+)"')
    files = (import_module(f"{generated.__name__}.{each.name}").__file__ for each in pkgutil.iter_modules(generated.__path__))
    return {call for file in files if file for call in calls.findall(Path(file).read_text())}


DOCUMENTED = sorted(_documented())


def _filled(template: str) -> bytes:
    return re.sub(r"\{(\w+)\}", "x%2Fy", template).encode()


def test_the_sdk_documents_as_many_calls_as_the_protocol_notes_say() -> None:
    assert len(DOCUMENTED) == 69
    assert len(METHODS) == 51


@pytest.mark.parametrize(("method", "template"), DOCUMENTED)
def test_every_documented_rest_call_is_classified_on_purpose(method: str, template: str) -> None:
    known = endpoint(method.encode(), _filled(template) + b"?wait=true", REST)
    assert known not in (UNKNOWN, UNKNOWN_READ)
    assert known.route.name == f"{method} {template}"
    assert set(variables(_filled(template), known).values()) <= {"x/y"}


@pytest.mark.parametrize("path", METHODS)
def test_every_grpc_method_is_classified_on_purpose(path: str) -> None:
    assert path in GRPC_CALLS
    assert endpoint(b"POST", path.encode(), GRPC).route.name == path


def test_every_name_in_the_tables_is_found_by_its_path() -> None:
    for name in REST_CALLS:
        method, _, template = name.partition(" ")
        assert endpoint(method.encode(), _filled(template), REST).route.name == name
    for name in GRPC_CALLS:
        assert endpoint(b"POST", name.encode(), GRPC).route.name == name


def test_both_protocols_give_one_kind_to_one_action() -> None:
    kinds: dict[Action, set[Any]] = {}
    for known in (*REST_CALLS.values(), *GRPC_CALLS.values()):
        route = known.route
        kinds.setdefault(known.action, set()).add((route.kind, route.by_filter, route.retry))
    del kinds[Action.OTHER]
    assert all(len(each) == 1 for each in kinds.values())
    assert kinds.keys() == set(Action) - {Action.OTHER}


def test_what_reads_may_be_sent_again_and_what_writes_may_not() -> None:
    for known in (*REST_CALLS.values(), *GRPC_CALLS.values()):
        safe = known.route.kind in (Kind.READ, Kind.ADMIN)
        assert (known.route.retry is Retry.SAFE) is safe


def test_a_change_that_has_no_meaning_in_the_model_is_known_to_change_data() -> None:
    changing = {name for name, known in (REST_CALLS | GRPC_CALLS).items() if known.route.changes_data}
    assert "PUT /collections/{collection_name}/snapshots/recover" in changing
    assert "/qdrant.Collections/CreateShardKey" in changing
    assert all(
        "recover" in n or "upload" in n or "shard" in n.lower() or "cluster" in n.lower() or "wal" in n for n in changing
    )


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        (b"POST", b"/collections/a/points/unheard", REST),
        (b"PUT", b"/collections/", REST),
        (b"PUT", b"/collections//points", REST),
        (b"PUT", b"/collections/a/points/", REST),
        (b"PUT", b"/collections/a/poin%74s", REST),
        (b"POST", b"/qdrant.Points/Unheard", GRPC),
        (b"POST", b"/qdrant.Points/Upsert", REST),
        (b"PUT", b"/collections/a/points", GRPC),
    ],
)
def test_an_unknown_call_may_have_changed_anything(method: bytes, path: bytes, role: str) -> None:
    assert endpoint(method, path, role) is UNKNOWN


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_an_unknown_call_that_only_looks_changes_nothing(method: bytes) -> None:
    assert endpoint(method, b"/dashboard/", REST) is UNKNOWN_READ


def test_a_call_names_its_collection_as_the_path_says_it() -> None:
    call = Call(Request(b"GET", b"/collections/a%2Fb%20%C3%BC/points/6?consistency=all", (), b""))
    assert (call.collection, call.path["id"], call.query) == ("a/b ü", "6", {"consistency": "all"})


def test_every_action_with_a_body_is_read_from_both_protocols() -> None:
    bodies = {GRPC_CALLS[path].action for path in BODIES}
    names_only = {Action.GET_COLLECTION, Action.DELETE_COLLECTION, Action.DELETE_INDEX, Action.DELETE_VECTOR}
    wanted = {known.action for known in GRPC_CALLS.values() if known.route.kind in (Kind.READ, Kind.WRITE, Kind.SCHEMA)}
    assert bodies | names_only == wanted
