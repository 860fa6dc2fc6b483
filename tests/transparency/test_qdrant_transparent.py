"""qdrant-client's calls of a Qdrant directly, and of another through a sidecar: the same answers on the wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from qdrant_client import QdrantClient, qdrant_remote
from qdrant_client.http.exceptions import ApiException
from qdrant_client.uploader import grpc_uploader

from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import QdrantSidecar
from tests.transparency.exchanges import Answers, Exchange, GrpcRecorder, Record, RestRecorder, different
from tests.transparency.qdrant_corpus import CHANGING, Script, corpus
from tests.wire.qdrant.readings import COUNT, C

FAILURES: Final = (ApiException, grpc.RpcError, ValueError)
"""What the client raises where an answer is an error; the answer itself is in the record."""
WELL: Final = {"rest": 200, "grpc": grpc.StatusCode.OK}
ERRORS: Final = {
    "rest": {400, 404, 409, 422, 501},
    "grpc": {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.UNIMPLEMENTED,
    },
}
PLENTY: Final = 120


class Between:
    """A sidecar from one empty Qdrant to another, and a third for what is asked directly."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.direct, self.source, self.target = (
            stack.enter_context(QdrantServer(folder / name)) for name in ("direct", "source", "target")
        )
        made = QdrantSidecar(folder / "sidecar", self.source, self.target, mirror={"linger": "1s"})
        self.sidecar = stack.enter_context(made)


@pytest.fixture
def between(tmp_path: Path) -> Iterator[Between]:
    with ExitStack() as stack:
        yield Between(tmp_path, stack)


def _run(url: str, grpc_port: int, protocol: str, patch: pytest.MonkeyPatch) -> Answers:
    record = Record()
    real = qdrant_remote.get_channel

    def channel(**given: Any) -> grpc.Channel:
        return grpc.intercept_channel(real(**given), GrpcRecorder(record))

    with patch.context() as patched:  # qdrant-client takes no interceptors
        for module in (qdrant_remote, grpc_uploader):
            patched.setattr(module, "get_channel", channel)
        options: dict[str, Any] = {"prefer_grpc": protocol == "grpc", "transport": RestRecorder(record)}
        client = QdrantClient(url=url, grpc_port=grpc_port, check_compatibility=False, **options)
        found = {name: _asked(client, name, script, record) for name, script in corpus(rest=protocol == "rest").items()}
        client.close()
    return found


def _asked(client: QdrantClient, name: str, script: Script, record: Record) -> list[Exchange]:
    with suppress(*FAILURES):
        script(client)
    found = record.taken()
    return [replace(each, body="changing") for each in found] if name in CHANGING else found


def _clear(server: QdrantServer) -> None:
    client = server.client(prefer_grpc=False)
    for each in client.get_collections().collections:
        client.delete_collection(each.name)
    client.close()


def _count(server: QdrantServer) -> int:
    client = server.client(prefer_grpc=False)
    found = client.count(C).count
    client.close()
    return found


def _statuses(answers: Answers) -> Counter[Any]:
    return Counter(exchange.status[0] for exchanges in answers.values() for exchange in exchanges)


def test_answers_through_a_sidecar_are_those_of_qdrant(between: Between, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one test: it is the start of four processes that costs."""
    direct = {protocol: _direct(between, protocol, monkeypatch) for protocol in WELL}
    for phase in ("passthrough", "mirror"):
        for protocol, answers in direct.items():
            _clear(between.source)
            between.sidecar.enter(phase)
            through = _run(between.sidecar.url, between.sidecar.grpc_port, protocol, monkeypatch)
            assert different(answers, through) == {}, (phase, protocol)
    between.sidecar.drained()
    assert _count(between.target) == _count(between.source) > COUNT


def _direct(between: Between, protocol: str, patch: pytest.MonkeyPatch) -> Answers:
    """With enough of every kind in it."""
    _clear(between.direct)
    answers = _run(between.direct.url, between.direct.grpc_port, protocol, patch)
    statuses = _statuses(answers)
    assert answers.keys() >= CHANGING
    assert not [name for name, found in answers.items() if not found], "asked nothing"
    assert statuses[WELL[protocol]] >= PLENTY
    assert statuses.keys() >= ERRORS[protocol]
    return answers


def test_an_answer_that_differs_in_any_part_is_seen() -> None:
    answer = Exchange(("GET", b"/"), (200,), (("content-type", "application/json"),), {"result": 1})
    others = (
        replace(answer, status=(500,)),
        replace(answer, headers=()),
        replace(answer, body={"result": 2}),
        replace(answer, asked=("GET", b"/x")),
    )
    assert not different({"x": [answer]}, {"x": [replace(answer)]})
    for other in others:
        assert different({"x": [answer]}, {"x": [other]})
    assert different({"x": [answer]}, {"x": [answer, answer]})
