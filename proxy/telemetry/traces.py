"""Traces over OpenTelemetry, when an endpoint is configured; otherwise the API's own no-op tracer."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from proxy.config import TelemetryConfig

tracer = trace.get_tracer("vecferry")


def set_up(config: TelemetryConfig) -> TracerProvider | None:
    """The provider, to be shut down at the end; None without an endpoint."""
    if config.otlp_endpoint is None:
        return None
    provider = TracerProvider(
        resource=Resource.create({"service.name": "vecferry"}), sampler=TraceIdRatioBased(config.trace_share)
    )
    endpoint = f"{config.otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    trace.set_tracer_provider(provider)
    return provider
