"""The wire protocols that there are. Loads no SDK beyond a protocol's own messages, so that a worker stays small."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from proxy.frontends.milvus.frontend import MilvusFrontend
from proxy.model.schema import Product
from proxy.ports import Clock, Frontend

FRONTENDS: Final[Mapping[Product, Callable[[Clock], Frontend]]] = {Product.MILVUS: MilvusFrontend}
