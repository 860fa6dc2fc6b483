"""Milvus's wire protocol, decoded to the model and encoded from it."""

from proxy.frontends.milvus.frontend import MilvusFrontend

__all__ = ["MilvusFrontend"]
