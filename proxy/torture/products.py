"""Which products a run can speak to, and how. Another product is another line in these tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from proxy.config import Config, SideConfig
from proxy.errors import Refused
from proxy.model.schema import Product
from proxy.torture.check import Trust
from proxy.torture.history import Id
from proxy.torture.milvus import MilvusApplication, MilvusReader
from proxy.torture.qdrant import QdrantReader
from proxy.torture.rows import Shape


class Application(Protocol):
    """An ordinary client of the source's product. Every call is one request for each step, and raises Refused where nothing of
    it was done, Uncertain where that is not known."""

    filter_lag: float
    """Seconds for which a filter may not see a write that was acknowledged."""
    trust: Trust
    """Of reads at the strongest consistency."""

    def close(self) -> None: ...
    def create(self, shape: Shape) -> None: ...
    def drop(self, collection: str) -> None: ...
    def add_partition(self, collection: str, partition: str) -> None: ...
    def drop_partition(self, collection: str, partition: str) -> None: ...
    def upsert(self, collection: str, partition: str, rows: Sequence[Mapping[str, Any]]) -> None: ...
    def insert(self, collection: str, rows: Sequence[Mapping[str, Any]]) -> tuple[Id, ...]:
        """The ids that the server made."""
        ...

    def delete(self, collection: str, partition: str, ids: Sequence[Id]) -> None: ...
    def delete_bucket(self, collection: str, partition: str, bucket: int) -> None: ...
    def read(self, collection: str, partition: str, ids: Sequence[Id]) -> list[dict[str, Any]]:
        """At the strongest consistency."""
        ...


class Reader(Protocol):
    """One side, past the sidecar. Raises Refused or Unavailable."""

    def close(self) -> None: ...
    def rows(self, collection: str) -> list[tuple[str, dict[str, Any]]] | None:
        """(partition, row) of each; None where there is no such collection."""
        ...


APPLICATIONS: Final[Mapping[Product, Callable[[str, str], Application]]] = {Product.MILVUS: MilvusApplication}
"""By url and token."""
READERS: Final[Mapping[Product, Callable[[SideConfig], Reader]]] = {Product.MILVUS: MilvusReader, Product.QDRANT: QdrantReader}
ROLES: Final[Mapping[Product, str]] = {Product.MILVUS: "grpc"}
"""The listening port that an application of the product speaks to."""


def check_pair(config: Config) -> SideConfig:
    """The target. Raises Refused for what a run cannot speak to, by name."""
    if config.target is None:
        raise Refused("no target is configured: there is no mirror to torture")
    if config.source.product not in APPLICATIONS:
        raise Refused(f"torture cannot be an application of {config.source.product} yet, only of {', '.join(APPLICATIONS)}")
    for side in (config.source, config.target):
        if side.product not in READERS:
            raise Refused(f"torture cannot read {side.product} yet, only {', '.join(READERS)}")
        if not side.tls.verify or side.tls.server_name or side.tls.cert_file:
            raise Refused(f"{side.url}: of the TLS settings of a side, torture can only use ca_file")
    if config.listen_tls is not None:
        raise Refused("torture speaks without TLS to the sidecar: run it against a staging sidecar without listen_tls")
    return config.target


def address(config: Config) -> str:
    """The sidecar, as an application sees it."""
    host, _, port = config.listen[ROLES[config.source.product]].rpartition(":")
    return f"http://{here(host)}:{port}"


def here(host: str) -> str:
    """Where to reach what listens on every interface."""
    return "127.0.0.1" if host in ("", "0.0.0.0") else "[::1]" if host == "[::]" else host
