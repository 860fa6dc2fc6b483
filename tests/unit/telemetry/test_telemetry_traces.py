from __future__ import annotations

import asyncio

import pytest
from fakes.plain_frontend import put, request
from fakes.sidecar import Sidecar
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from proxy.errors import Unavailable
from proxy.model.phase import Phase
from proxy.routing import router


@pytest.fixture
def spans(monkeypatch):
    """Finished spans of requests."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(router, "tracer", provider.get_tracer("test"))
    yield exporter.get_finished_spans
    provider.shutdown()


TRACED = {"otlp_endpoint": "http://collector:4318", "trace_share": 1.0}


async def test_a_request_is_one_span_whatever_is_done_with_it(tmp_path, spans) -> None:
    async with Sidecar(tmp_path, telemetry=TRACED) as sidecar:
        await sidecar.ask(put("c", (1, 5.0)))
        await sidecar.get(1)
        await sidecar.ask(request("remove_where", "c", group=2))
        await sidecar.drained()
        await sidecar.change(Phase.CUTOVER)
        await sidecar.get(1)
        await sidecar.drained()
        assert await sidecar.both() == ({}, {})
    seen = [(span.name, span.attributes["action"]) for span in spans()]
    assert seen == [("put", "mirror"), ("get", "relay"), ("remove_where", "mirror"), ("get", "read")]
    assert all(set(span.attributes) == {"action", "phase"} for span in spans())


async def test_a_request_that_fails_is_marked(tmp_path, spans) -> None:
    async with Sidecar(tmp_path, telemetry=TRACED) as sidecar:

        async def away(_) -> None:
            raise Unavailable("away")

        sidecar.upstream.before = away
        with pytest.raises(Unavailable):
            await sidecar.ask(put("c", (1, 5.0)))
    assert [span.status.status_code for span in spans()] == [StatusCode.ERROR]


@pytest.mark.parametrize("answered", [True, False])
async def test_a_traced_write_that_began_before_the_mirror_is_a_debt_all_the_same(tmp_path, spans, answered) -> None:
    async with Sidecar(tmp_path, "passthrough", telemetry=TRACED) as sidecar:

        async def before(_) -> None:
            await sidecar.operator.enter("mirror", "test", "")
            await asyncio.sleep(0)
            await sidecar.parts.debts.settle("c", since=sidecar.parts.debts.number(), epoch=1, points=0)
            if not answered:
                raise Unavailable("away")

        sidecar.upstream.before = before
        await asyncio.wait([asyncio.ensure_future(sidecar.ask(put("c", (1, 5.0))))])
        await asyncio.sleep(0)
        assert "beside the mirror" in sidecar.parts.debts.all()["c"]
    assert [span.attributes["action"] for span in spans()] == ["relay"]


@pytest.mark.parametrize("settings", [{}, {"otlp_endpoint": "http://collector:4318", "trace_share": 0.0}])
async def test_nothing_is_added_to_the_path_when_nothing_is_asked(tmp_path, spans, settings) -> None:
    async with Sidecar(tmp_path, telemetry=settings) as sidecar:
        assert sidecar.begin(request("get", "c", ids=[1])).relay.tap is None
    assert spans() == ()
