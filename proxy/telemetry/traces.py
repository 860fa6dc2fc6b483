"""Traces over OpenTelemetry, when an endpoint is configured; otherwise the API's own no-op tracer.

What the sidecar does by itself (changes of primary, batches, pages) is always traced, a client's request, relayed or
translated, by the configured share. No span holds a payload, an id or a credential.
"""

from __future__ import annotations

from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from proxy.config import TelemetryConfig

tracer: Final = trace.get_tracer("vecferry")
EXPORT_MILLISECONDS: Final = 5_000
"""For one batch, and so at most what a stop waits for a collector that is away."""


def set_up(config: TelemetryConfig) -> TracerProvider | None:
    """The provider, to be shut down at the end; None without an endpoint."""
    if config.otlp_endpoint is None:
        return None
    endpoint = f"{config.otlp_endpoint.rstrip('/')}/v1/traces"
    exporter = OTLPSpanExporter(endpoint, timeout=EXPORT_MILLISECONDS // 1000)
    provider = TracerProvider(resource=Resource.create({"service.name": "vecferry"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, export_timeout_millis=EXPORT_MILLISECONDS))
    trace.set_tracer_provider(provider)
    return provider


def share(config: TelemetryConfig) -> float:
    """Of the clients' requests; none without an endpoint."""
    return config.trace_share if config.otlp_endpoint is not None else 0.0
