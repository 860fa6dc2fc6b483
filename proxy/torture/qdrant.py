"""Qdrant as it is read at the end of a run: qdrant-client and nothing of ours but the three names of our own payload fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import ApiException

from proxy.config import SideConfig
from proxy.errors import Unavailable
from proxy.torture.rows import DEFAULT

_OURS: Final = frozenset({"__id__", "__partition__", "__vecferry__"})
_PAGE: Final = 1000


class QdrantReader:
    """Of a finished run, and of a collection that came from another product. Raises Unavailable."""

    def __init__(self, side: SideConfig) -> None:
        key = side.api_key.get_secret_value() if side.api_key else None
        tls: dict[str, Any] = {"verify": str(side.tls.ca_file)} if side.tls.ca_file else {}
        self._client = QdrantClient(url=side.url, api_key=key, prefer_grpc=False, check_compatibility=False, **tls)

    def close(self) -> None:
        self._client.close()

    def rows(self, collection: str) -> list[tuple[str, dict[str, Any]]] | None:
        try:
            return list(qdrant_rows(self._client, collection)) if self._client.collection_exists(collection) else None
        except ApiException as error:
            raise Unavailable(f"Qdrant cannot be read: {error}") from error


def qdrant_rows(client: QdrantClient, collection: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(partition, row)"""
    offset = None
    while True:
        records, offset = client.scroll(collection, limit=_PAGE, offset=offset, with_payload=True, with_vectors=True)
        for record in records:
            payload = dict(record.payload or {})
            vectors = record.vector if isinstance(record.vector, dict) else {"": record.vector}
            kept = {name: value for name, value in payload.items() if name not in _OURS}
            yield payload.get("__partition__", DEFAULT), {"id": payload.get("__id__", record.id), **kept, **vectors}
        if offset is None:
            return
