"""Our credentials in place of the client's, where a client's bytes are relayed to the target: it may know other ones.

Owns: in which fields the clients of a product show theirs. Not: our own calls (each backend's SDK has its own way).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Final

from proxy.config import SideConfig
from proxy.model.schema import Product
from proxy.net.ends import Version
from proxy.net.upstream import Credentials
from proxy.ports import Headers


def of_target(side: SideConfig) -> Credentials:
    """The client's never go to the target, ours do where the settings have some."""
    return Credentials(_NAMES[side.product], _SHOWN[side.product](side))


def _milvus(side: SideConfig) -> Mapping[Version, Headers]:
    if side.token is None:
        return {}
    token = side.token.get_secret_value().encode()
    # gRPC's is base64 without a scheme; on the same port REST wants a bearer's.
    return {
        Version.HTTP2: ((b"authorization", base64.b64encode(token)),),
        Version.HTTP1: ((b"authorization", b"Bearer " + token),),
    }


def _api_key(side: SideConfig) -> Mapping[Version, Headers]:
    if side.api_key is None:
        return {}
    shown = ((b"api-key", side.api_key.get_secret_value().encode()),)
    return dict.fromkeys(Version, shown)


def _bearer(side: SideConfig) -> Mapping[Version, Headers]:
    if side.api_key is None:
        return {}
    shown = ((b"authorization", b"Bearer " + side.api_key.get_secret_value().encode()),)
    return dict.fromkeys(Version, shown)


_NAMES: Final[Mapping[Product, frozenset[bytes]]] = {
    Product.MILVUS: frozenset({b"authorization"}),
    Product.QDRANT: frozenset({b"api-key", b"authorization"}),
    Product.WEAVIATE: frozenset({b"authorization"}),
    Product.PINECONE: frozenset({b"api-key"}),
}
_SHOWN: Final[Mapping[Product, Callable[[SideConfig], Mapping[Version, Headers]]]] = {
    Product.MILVUS: _milvus,
    Product.QDRANT: _api_key,
    Product.WEAVIATE: _bearer,
    Product.PINECONE: _api_key,
}
