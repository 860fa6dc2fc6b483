"""Milvus as the applications of a run speak to it, and as it is read in the end: pymilvus and nothing of ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import grpc
from pymilvus import DataType, MilvusClient, MilvusException

from proxy.config import SideConfig
from proxy.errors import Refused, Uncertain
from proxy.torture.check import Trust
from proxy.torture.history import Id
from proxy.torture.rows import DIM, Shape

logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # failures are recorded here, not printed with their stacks

_REFUSED: Final = frozenset({100, 200, 1100})
"""No such collection, no such partition, wrong as asked. Whatever else it says may have been done."""
_UNSUPPORTED: Final = "is not supported by"
"""A sidecar's refusal by name, after a change of primary; its code says nothing."""
_ONCE: Final[Mapping[str, Any]] = {"retry_times": 0, "retry_on_rate_limit": False}
"""A call is one request: sent twice by the SDK it could take effect twice."""
_PAGE: Final = 1000


class MilvusApplication:
    """One client. Every call raises Refused where nothing of it was done, and Uncertain where that is not known."""

    filter_lag = 60.0
    """Seconds. A delete by filter looks at data as old as its consistency allows, which no server promises to bound."""
    trust = Trust.ALONE
    """A strong read of Milvus 2.3 that meets a write of the same row may see a row that was replaced long ago."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._connected: MilvusClient | None = None

    @property
    def _client(self) -> MilvusClient:
        """A client of the SDK that lost its server comes back late; a program that was started again would not."""
        if self._connected is None:
            try:
                self._connected = MilvusClient(uri=self._url, token=self._token, dedicated=True)
            except MilvusException as error:
                raise Refused(f"not sent: {error.message}") from error
        return self._connected

    def close(self) -> None:
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    @contextmanager
    def _calling(self) -> Iterator[MilvusClient]:
        client = self._client
        try:
            with _told():
                yield client
        except Uncertain:
            self.close()
            raise

    def create(self, shape: Shape) -> None:
        schema = MilvusClient.create_schema(enable_dynamic_field=True, auto_id=shape.made)
        kind = {"datatype": DataType.VARCHAR, "max_length": 64} if shape.texts else {"datatype": DataType.INT64}
        schema.add_field("id", is_primary=True, **kind)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
        schema.add_field("bucket", DataType.INT64)
        schema.add_field("version", DataType.INT64)
        schema.add_field("name", DataType.VARCHAR, max_length=64)
        index = MilvusClient.prepare_index_params()
        index.add_index("v", index_type="HNSW", metric_type=shape.metric, params={"M": 16, "efConstruction": 64})
        with self._calling() as client:
            client.create_collection(shape.name, schema=schema, index_params=index, **_ONCE)
            for partition in shape.partitions[1:]:
                client.create_partition(shape.name, partition, **_ONCE)

    def drop(self, collection: str) -> None:
        with self._calling() as client:
            client.drop_collection(collection, **_ONCE)

    def add_partition(self, collection: str, partition: str) -> None:
        with self._calling() as client:
            client.create_partition(collection, partition, **_ONCE)

    def drop_partition(self, collection: str, partition: str) -> None:
        with self._calling() as client:
            client.release_collection(collection, **_ONCE)
            client.drop_partition(collection, partition, **_ONCE)
            client.load_collection(collection, **_ONCE)

    def upsert(self, collection: str, partition: str, rows: Sequence[Mapping[str, Any]]) -> None:
        with self._calling() as client:
            client.upsert(collection, list(rows), partition_name=partition, **_ONCE)

    def insert(self, collection: str, rows: Sequence[Mapping[str, Any]]) -> tuple[Id, ...]:
        """The ids that the server made."""
        with self._calling() as client:
            return tuple(client.insert(collection, list(rows), **_ONCE)["ids"])

    def delete(self, collection: str, partition: str, ids: Sequence[Id]) -> None:
        with self._calling() as client:
            client.delete(collection, ids=list(ids), partition_name=partition, **_ONCE)

    def delete_bucket(self, collection: str, partition: str, bucket: int) -> None:
        with self._calling() as client:
            client.delete(collection, filter=f"bucket == {bucket}", partition_name=partition, **_ONCE)

    def read(self, collection: str, partition: str, ids: Sequence[Id]) -> list[dict[str, Any]]:
        """The latest state: what was acknowledged before is seen."""
        given = {"partition_names": [partition], "consistency_level": "Strong", "output_fields": ["*"]}
        with self._calling() as client:
            return [dict(found) for found in client.get(collection, list(ids), **given, **_ONCE)]


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except MilvusException as error:
        if error.code in _REFUSED or _UNSUPPORTED in error.message:
            raise Refused(f"{error.code} {error.message}") from error
        raise Uncertain(f"{error.code} {error.message}") from error
    except grpc.RpcError as error:
        raise Uncertain(str(error)) from error


class MilvusReader:
    """Of a finished run. Raises Refused or Unavailable."""

    def __init__(self, side: SideConfig) -> None:
        token = side.token.get_secret_value() if side.token else ""
        tls: dict[str, Any] = {"server_pem_path": str(side.tls.ca_file)} if side.tls.ca_file else {}
        with _told():
            self._client = MilvusClient(uri=side.url, token=token, dedicated=True, **tls)

    def close(self) -> None:
        self._client.close()

    def rows(self, collection: str) -> list[tuple[str, dict[str, Any]]] | None:
        with _told():
            return list(milvus_rows(self._client, collection)) if self._client.has_collection(collection) else None


def milvus_rows(client: MilvusClient, collection: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(partition, row) of all that was acknowledged before."""
    # An iterator of pymilvus ignores the consistency that it is given, but sees what a strong query before it saw.
    client.query(collection, filter="", output_fields=["count(*)"], consistency_level="Strong")
    for partition in client.list_partitions(collection):
        given = {"output_fields": ["*"], "partition_names": [partition]}
        pages = client.query_iterator(collection, filter="", batch_size=_PAGE, timeout=60, **given)
        while page := pages.next():
            yield from ((partition, dict(found)) for found in page)
        pages.close()
