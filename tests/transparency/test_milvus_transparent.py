"""pymilvus's calls of a source directly, and of another through a sidecar: the same messages on the wire."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from pymilvus import MilvusClient, MilvusException
from pymilvus.client.cache import GlobalCache

from tests.migration.calls import Application
from tests.servers.facade import MilvusFacade
from tests.servers.qdrant import QdrantServer
from tests.servers.sidecar import Sidecar
from tests.transparency.exchanges import Answers, GrpcRecorder, Record, different
from tests.transparency.milvus_corpus import corpus

NAME: Final = "transparent"
PLENTY: Final = 60
FAILURES: Final = 12


def _run(url: str, patch: pytest.MonkeyPatch) -> Answers:
    record = Record()
    real = grpc.insecure_channel

    def channel(*given: Any, **options: Any) -> grpc.Channel:
        return grpc.intercept_channel(real(*given, **options), GrpcRecorder(record))

    with patch.context() as patched:  # pymilvus takes no interceptors
        patched.setattr(grpc, "insecure_channel", channel)
        application = Application(url, NAME)
        application.client.close()
        application.client = MilvusClient(url, dedicated=True)  # clients of one server share a channel otherwise
        GlobalCache.schema.clear()
        record.taken()
        found = {}
        for name, script in corpus().items():
            with suppress(MilvusException):
                script(application)
            found[name] = record.taken()
        application.client.close()
    return found


def _codes(answers: Answers) -> Counter[Any]:
    """Milvus's own: its errors come in answers of status OK."""
    bodies = [exchange.body or {} for exchanges in answers.values() for exchange in exchanges]
    return Counter(body.get("status", body).get("error_code", "Success") for body in bodies)


def test_answers_through_a_sidecar_are_those_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the byte of the messages, so the source is one that answers twice alike; tests/migration asks the real Milvus."""
    with ExitStack() as stack:
        asked, source = (stack.enter_context(MilvusFacade()) for _ in range(2))
        target = stack.enter_context(QdrantServer(tmp_path / "target"))
        sidecar = stack.enter_context(Sidecar(tmp_path / "sidecar", source.url, target, mirror={"linger": "1s"}))
        direct = _run(asked.url, monkeypatch)
        codes = _codes(direct)
        assert not [name for name, found in direct.items() if not found], "asked nothing"
        assert codes.pop("Success") >= PLENTY
        assert codes.total() >= FAILURES, codes
        for phase in ("passthrough", "mirror"):
            sidecar.enter(phase)
            assert different(direct, _run(sidecar.url, monkeypatch)) == {}, phase
        sidecar.drained()
