"""Qdrant's wire protocol, REST and gRPC, decoded to the model and encoded from it."""

from proxy.frontends.qdrant.frontend import QdrantFrontend

__all__ = ["QdrantFrontend"]
