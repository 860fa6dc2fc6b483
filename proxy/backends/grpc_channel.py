"""A gRPC channel to a side, by its settings; the same for every product. Not: calls, their errors, credentials of a product."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
import grpc.aio

from proxy.config import SideConfig, TlsConfig
from proxy.errors import ConfigError

_OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A dead peer is noticed within a minute; servers forbid pings more often than every five minutes without calls.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # The default grows to two minutes: a side that is back would still be reported as down.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 0),
)


def open_channel(side: SideConfig, url: str) -> grpc.aio.Channel:
    """Connects at the first call. To be called on the event loop that uses it. Raises ConfigError."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    target = f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    if parts.scheme == "http":
        return grpc.aio.insecure_channel(target, options=_OPTIONS)
    name = side.tls.server_name
    options = (*_OPTIONS, ("grpc.ssl_target_name_override", name)) if name else _OPTIONS
    return grpc.aio.secure_channel(target, _credentials(side.tls), options=options)


def _credentials(tls: TlsConfig) -> grpc.ChannelCredentials:
    if not tls.verify:
        raise ConfigError("tls.verify", "gRPC cannot leave certificates unchecked: give the server's certificate as ca_file")
    return grpc.ssl_channel_credentials(
        _read(tls.ca_file, "ca_file"), _read(tls.key_file, "key_file"), _read(tls.cert_file, "cert_file")
    )


def _read(path: Path | None, key: str) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"tls.{key}", f"cannot read {path}: {error.strerror}") from error
