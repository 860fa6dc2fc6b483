"""Spans to a collector. Apart from traces.py, which loads this only where an endpoint is configured: the exporter is heavy."""

from __future__ import annotations

from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

EXPORT_MILLISECONDS: Final = 5_000
"""For one batch, and so at most what a stop waits for a collector that is away."""


def provider(endpoint: str) -> TracerProvider:
    """To be shut down at the end."""
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_MILLISECONDS // 1000)
    made = TracerProvider(resource=Resource.create({"service.name": "vecferry"}), shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(exporter, export_timeout_millis=EXPORT_MILLISECONDS))
    return made
