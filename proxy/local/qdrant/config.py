"""The settings of the local server, and its bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

VERSION: Final = "1.19.0"  # what `GET /` tells: the server release whose behaviour this one follows
TITLE: Final = "qdrant - vector search engine"
REST_BODY_LIMIT: Final = 32 * 2**20  # bytes, as the real server's max_request_size_mb
FLUSH_SECONDS: Final = 5.0  # as the real server's flush_interval_sec; the WAL alone already survives a kill
STOP_SECONDS: Final = 5.0  # how long calls in flight may finish at a stop


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalQdrantConfig:
    data: Path
    host: str = "127.0.0.1"
    port: int = 6333
    """REST; 0 takes a free port."""
    grpc_port: int = 6334
    """0 takes a free port."""
    api_key: str | None = field(default=None, repr=False)
    optimize: bool = False
    """Build the HNSW indexes of every collection before the server is ready (else searches are exact scans)."""
