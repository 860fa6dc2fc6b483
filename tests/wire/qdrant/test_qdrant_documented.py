"""Every answer that we make ourselves, held against the SDK's own description of it; whatever was asked.

Requests are invented from the types of the description, meaningful and spoiled ones. None may fail inside, none may be answered
with what the description does not know, and a refusal says why in Qdrant's own form.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson
import pytest
from documented import CALLS as DOCUMENTED
from documented import Documented
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from inventions import DENSE, PLAIN, SHELF, SIZE, SPARSE, invent, message, spoiled
from legacy_calls import LEGACY
from qdrant_client.grpc import collections_service_pb2, points_service_pb2, qdrant_pb2, snapshots_service_pb2
from qdrant_facade import Facade

from proxy.frontends import grpc
from proxy.frontends.qdrant.routes import GRPC, REST, Action, endpoint
from proxy.ports import Kind, Reply, Request

CALLS: Final = {**DOCUMENTED, **LEGACY}
NIGHTLY: Final = "VECFERRY_NIGHTLY" in os.environ
REQUESTS: Final = 3000 if NIGHTLY else 80
FRESH: Final = 20
"""Requests, after which everything is there again."""
PATIENCE: Final = 20.0
JSON: Final = ((b"content-type", b"application/json"),)
PROTOBUF: Final = ((b"content-type", b"application/grpc"),)
REFUSALS: Final = frozenset({400, 403, 404, 409, 413, 422})
REFUSED: Final = frozenset(
    {
        grpc.Code.INVALID_ARGUMENT, grpc.Code.NOT_FOUND, grpc.Code.ALREADY_EXISTS, grpc.Code.UNIMPLEMENTED,
        grpc.Code.FAILED_PRECONDITION, grpc.Code.OUT_OF_RANGE,
    }
)  # fmt: skip
METHODS: Final = {
    f"/{service.full_name}/{method.name}": method
    for module in (points_service_pb2, collections_service_pb2, qdrant_pb2, snapshots_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
_POINTS: Final = [
    {"id": n, "vector": {DENSE: [n, 1, 0.5, -1], SPARSE: {"indices": [n, 9], "values": [0.5, 1]}}, "payload": payload}
    for n, payload in enumerate(
        [
            {"n": 0, "color": "red", "tags": ["a", "b"], "inner": {"a": 1}},
            {"n": 1, "color": "blue", "list": [{"x": 1}, {"x": 2}], "odd key": 1.5},
            {"when": "2024-02-29T12:00:00Z", "place": {"lon": 1.0, "lat": 2.0}, "text": "größe"},
            {},
        ]
    )
]
STOCK: Final = (
    ("PUT", f"/collections/{PLAIN}", {"vectors": {"size": SIZE, "distance": "Cosine"}}),
    (
        "PUT",
        f"/collections/{SHELF}",
        {
            "vectors": {
                DENSE: {"size": SIZE, "distance": "Euclid"},
                "multi": {"size": SIZE, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}},
            },
            "sparse_vectors": {SPARSE: {}},
        },
    ),
    ("POST", "/collections/aliases", {"actions": [{"create_alias": {"collection_name": SHELF, "alias_name": "alias"}}]}),
    ("PUT", f"/collections/{SHELF}/points", {"points": _POINTS}),
    ("PUT", f"/collections/{PLAIN}/points", {"points": [{**each, "vector": [1, 2, 3, each["id"]]} for each in _POINTS]}),
)
_P: Final = "/collections/{collection_name}/points"
_QUERY: Final = [1, 2, 3, 4]
VALID: Final[dict[str, Any]] = {
    f"PUT {_P}/vectors": {"points": [{"id": 1, "vector": {DENSE: _QUERY}}]},
    f"PUT {_P}": {"points": _POINTS},
    f"POST {_P}/vectors/delete": {"vector": [SPARSE], "points": [1]},
    f"POST {_P}/payload": {"payload": {"n": 1}, "points": [1]},
    f"PUT {_P}/payload": {"payload": {"n": 1}, "points": [1]},
    f"POST {_P}/payload/delete": {"keys": ["n"], "points": [1]},
    f"POST {_P}/query": {"query": _QUERY, "using": DENSE, "with_payload": True, "with_vector": True},
    f"POST {_P}/search": {"vector": {"name": DENSE, "vector": _QUERY}, "limit": 3, "with_payload": True},
    f"POST {_P}/search/groups": {
        "vector": {"name": DENSE, "vector": _QUERY},
        "limit": 3,
        "group_by": "n",
        "group_size": 1,
    },
    f"POST {_P}/recommend": {"positive": [1], "using": DENSE, "limit": 3, "with_vector": True},
    f"POST {_P}/recommend/groups": {"positive": [1], "using": DENSE, "limit": 3, "group_by": "n", "group_size": 1},
    f"POST {_P}/query/groups": {"query": _QUERY, "using": DENSE, "group_by": "n", "with_lookup": PLAIN},
}
"""Small requests for what chance alone seldom asks well."""
VALID_MESSAGES: Final[dict[str, Any]] = {
    "Points/Upsert": {"points": [{"id": {"num": 7}, "vectors": {"vectors": {"vectors": {DENSE: {"data": _QUERY}}}}}]},
    "Points/UpdateVectors": {"points": [{"id": {"num": 1}, "vectors": {"vectors": {"vectors": {DENSE: {"data": _QUERY}}}}}]},
    "Points/DeleteVectors": {"points_selector": {"points": {"ids": [{"num": 1}]}}, "vectors": {"names": [SPARSE]}},
    "Points/Search": {"vector": _QUERY, "vector_name": DENSE, "limit": 3, "with_payload": {"enable": True}},
    "Points/SearchGroups": {"vector": _QUERY, "vector_name": DENSE, "limit": 3, "group_by": "n", "group_size": 1},
    "Points/Recommend": {"positive": [{"num": 1}], "using": DENSE, "limit": 3, "with_vectors": {"enable": True}},
    "Points/RecommendGroups": {"positive": [{"num": 1}], "using": DENSE, "limit": 3, "group_by": "n", "group_size": 1},
    "Points/Query": {"query": {"nearest": {"dense": {"data": _QUERY}}}, "using": DENSE, "with_vectors": {"enable": True}},
    "Points/QueryGroups": {"query": {"nearest": {"dense": {"data": _QUERY}}}, "using": DENSE, "group_by": "n"},
    "Collections/Create": {
        "collection_name": "new",
        "vectors_config": {"params": {"size": 4, "distance": "Cosine"}},
    },
}
NEVER: Final = frozenset({Action.FACET, Action.MATRIX_PAIRS, Action.MATRIX_OFFSETS, Action.DISCOVER})
"""Refused by name, whatever is asked."""


async def stocked() -> Facade:
    facade = Facade()
    for method, path, body in STOCK:
        reply = await facade.reply(REST, Request(method.encode(), path.encode(), JSON, orjson.dumps(body)))
        assert reply.status == 200, reply.body
    return facade


async def asked(facade: Facade, role: str, request: Request) -> Reply:
    """Fails with the request where it fails inside."""
    try:
        return await asyncio.wait_for(facade.reply(role, request), PATIENCE)
    except Exception as error:
        error.add_note(f"{request.method.decode()} {request.path.decode()} {request.body[:3000]!r}")
        raise


# ---- REST ----


def _request(chance: Random, call: Documented) -> Request:
    path, query = call.template, {}
    for name, kind in call.parameters.items():
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", quote(str(invent(chance, kind, name)) or "x", safe=""))
        elif chance.random() < 0.2:
            query[name] = str(invent(chance, kind, name)).lower()
    if query:
        path += f"?{urlencode(query)}"
    return Request(call.method.encode(), path.encode(), JSON, _body(chance, call))


def _body(chance: Random, call: Documented) -> bytes:
    if call.body is None:
        return b""
    body = invent(chance, call.body)
    luck = chance.random()
    if luck < 0.02:
        return chance.choice((b"", b"{", b"NaN", b"\xff", b"[" * 2000))
    return orjson.dumps(body if luck < 0.75 else spoiled(chance, body))


def _check(call: Documented, reply: Reply, action: Action) -> None:
    if action in (Action.HEALTHY, Action.READY):
        assert reply.body.isascii()
        return
    found = orjson.loads(reply.body)
    if reply.status == 200:
        checked = call.answer.validate_python(found)
        assert call.answer.dump_python(checked, mode="json", by_alias=True, exclude_unset=True) == found
        assert action is Action.VERSION or (found["result"] is not None and found["status"] == "ok")
    else:
        assert reply.status in REFUSALS
        assert found.keys() == {"status", "time"}
        assert found["status"].keys() == {"error"}
        assert found["status"]["error"]
        assert isinstance(found["time"], float)


def _requests(name: str) -> Iterator[Request]:
    call, chance = CALLS[name], Random(zlib.crc32(name.encode()))
    if name in VALID:
        path = call.template.format(collection_name=SHELF).encode()
        yield Request(call.method.encode(), path, JSON, orjson.dumps(VALID[name]))
    for _ in range(REQUESTS):
        yield _request(chance, call)


@pytest.mark.parametrize("name", CALLS)
async def test_every_documented_call_is_answered_as_described_or_refused(name: str) -> None:
    call = CALLS[name]
    known = endpoint(call.method.encode(), call.template.encode(), REST)
    seen: Counter[int] = Counter()
    for number, request in enumerate(_requests(name)):
        if number % FRESH == 0:
            facade = await stocked()
        reply = await asked(facade, REST, request)
        _check_noted(call, request, reply, known.action)
        seen[reply.status] += 1
        if known.route.kind is Kind.OPAQUE:
            assert reply.status == 400
            assert name.encode() in reply.body
            return
    assert (seen[200] == 0) is (known.action in NEVER), seen
    assert call.body is None or seen.total() > seen[200], "nothing was refused"


def _check_noted(call: Documented, request: Request, reply: Reply, action: Action) -> None:
    try:
        _check(call, reply, action)
    except Exception as error:
        error.add_note(f"{request.method!r} {request.path!r} {request.body[:3000]!r} -> {reply.status} {reply.body[:3000]!r}")
        raise


# ---- gRPC ----


def _messages(path: str) -> Iterator[Any]:
    kind, chance = METHODS[path].input_type, Random(zlib.crc32(path.encode()))
    yield GetMessageClass(kind)()
    if (valid := VALID_MESSAGES.get(path.removeprefix("/qdrant."))) is not None:
        yield ParseDict({"collection_name": SHELF, **valid}, GetMessageClass(kind)())
    for _ in range(REQUESTS):
        yield message(chance, kind)


@pytest.mark.parametrize("path", METHODS)
async def test_every_method_answers_its_message_or_refuses(path: str) -> None:
    known = endpoint(b"POST", path.encode(), GRPC)
    seen: Counter[grpc.Code] = Counter()
    for number, given in enumerate(_messages(path)):
        if number % FRESH == 0:
            facade = await stocked()
        reply = await asked(facade, GRPC, Request(b"POST", path.encode(), PROTOBUF, grpc.framed(given.SerializeToString())))
        code, text = grpc.status_of(reply)
        _check_outcome(path, given, reply)
        seen[code] += 1
        if known.route.kind is Kind.OPAQUE:
            assert code in REFUSED
            assert path in text
            return
    assert (seen[grpc.Code.OK] == 0) is (known.action in NEVER), seen


def _check_outcome(path: str, given: Any, reply: Reply) -> None:
    code, text = grpc.status_of(reply)
    assert reply.status == 200
    if code is grpc.Code.OK:
        _check_message(METHODS[path], reply)
    else:
        assert code in REFUSED, (code, text, given)
        assert text, given


def _check_message(method: Any, reply: Reply) -> None:
    raw = grpc.message(reply.body, reply.headers, 2**32)
    found = GetMessageClass(method.output_type).FromString(raw)
    found.DiscardUnknownFields()
    assert len(found.SerializeToString()) == len(raw)
    assert found.IsInitialized()
