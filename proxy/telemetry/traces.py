"""Traces over OpenTelemetry, when an endpoint is configured; otherwise the API's own no-op tracer.

What the sidecar does by itself (changes of primary, batches, pages) is always traced, a client's request, relayed or
translated, by the configured share. No span holds a payload, an id or a credential.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry import trace

from proxy.config import TelemetryConfig

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

tracer: Final = trace.get_tracer("vecferry")


def set_up(config: TelemetryConfig) -> TracerProvider | None:
    """The provider, to be shut down at the end; None without an endpoint."""
    if config.otlp_endpoint is None:
        return None
    from proxy.telemetry.export import provider  # noqa: PLC0415  loads slowly

    made = provider(config.otlp_endpoint)
    trace.set_tracer_provider(made)
    return made


def share(config: TelemetryConfig) -> float:
    """Of the clients' requests; none without an endpoint."""
    return config.trace_share if config.otlp_endpoint is not None else 0.0
