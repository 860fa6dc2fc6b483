"""Where Qdrant's gRPC port is, and what every call brings along. Sends nothing."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from proxy.config import SideConfig
from proxy.errors import ConfigError

REST_PORT: Final = 6333
GRPC_PORT: Final = 6334


def grpc_url(side: SideConfig) -> str:
    """`grpc_url`, or the usual gRPC port beside a REST address at its usual port. Raises ConfigError otherwise."""
    named = urlsplit(side.grpc_url or side.url)
    if side.grpc_url is None and named.port not in (None, REST_PORT):
        raise ConfigError("grpc_url", f"is needed: {side.url} is not at Qdrant's usual port, so its gRPC port is not known")
    host = named.netloc.removesuffix(f":{named.port}")
    port = named.port if side.grpc_url is not None else None
    return f"{named.scheme}://{host}:{port or GRPC_PORT}"


def metadata(side: SideConfig) -> tuple[tuple[str, str], ...]:
    return (("api-key", side.api_key.get_secret_value()),) if side.api_key else ()
