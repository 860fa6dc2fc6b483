"""qdrant-client, without what its own `__init__` loads (a model of every REST body): `proxy.qdrant.sdk.grpc` holds Qdrant's
messages."""

from typing import TYPE_CHECKING

from proxy.sdk import folders

__path__ = folders("qdrant_client")
if TYPE_CHECKING:
    from qdrant_client import grpc as grpc
