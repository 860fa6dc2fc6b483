"""The settings of the local server, and its bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

API_VERSION: Final = "2026-07"
"""The newest whose control plane it speaks; replies carry the fields of the older ones too."""
CONTROL_BODY: Final = 2**20
DATA_BODY: Final = 2**27
"""Bytes; as much as Pinecone's own clients send in one gRPC message."""
INDEXES: Final = 100
MAX_TOP_K: Final = 10_000
MAX_PAGE: Final = 100
MAX_UPSERT: Final = 1000
MAX_DIMENSION: Final = 20_000
STOP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPineconeConfig:
    host: str = "127.0.0.1"
    port: int = 5080
    """Of the control plane; 0 takes a free port."""
    data_port: int = 5081
    """Of the first index; the next ones take the next free ports. 0 takes any."""
    api_key: str | None = field(default=None, repr=False)
