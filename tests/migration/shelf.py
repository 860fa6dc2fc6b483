"""The collections that the stories move: made directly at the source, with rows that can be checked one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from pymilvus import DataType, MilvusClient

Id: TypeAlias = int | str
DIM: Final = 8
BUCKETS: Final = 20
DEFAULT: Final = "_default"


@dataclass(frozen=True, slots=True)
class Shelf:
    """How a collection is made. Every row follows from its number and its version, so half of a row shows."""

    name: str
    metric: str = "COSINE"
    texts: bool = False
    """Ids are texts."""
    partitions: tuple[str, ...] = ()
    dim: int = DIM
    alias: str = ""

    @property
    def called(self) -> str:
        """As the application calls it."""
        return self.alias or self.name

    def create(self, client: MilvusClient) -> None:
        schema = client.create_schema(enable_dynamic_field=True)
        kind = {"datatype": DataType.VARCHAR, "max_length": 64} if self.texts else {"datatype": DataType.INT64}
        schema.add_field("id", is_primary=True, **kind)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=self.dim)
        schema.add_field("bucket", DataType.INT64)
        schema.add_field("version", DataType.INT64)
        schema.add_field("name", DataType.VARCHAR, max_length=64)
        index = client.prepare_index_params()
        index.add_index("v", index_type="HNSW", metric_type=self.metric, params={"M": 16, "efConstruction": 64})
        client.create_collection(self.name, schema=schema, index_params=index)
        for partition in self.partitions:
            client.create_partition(self.name, partition)
        if self.alias:
            client.create_alias(self.name, self.alias)

    def fill(self, client: MilvusClient, numbers: Iterable[int], version: int = 1) -> None:
        for partition in self.partitions or (DEFAULT,):
            rows = [self.row(number, version) for number in numbers]
            for start in range(0, len(rows), 500):
                client.insert(self.name, rows[start : start + 500], partition_name=partition)

    def id(self, number: int) -> Id:
        return f"book/{number:06}" if self.texts else number

    def row(self, number: int, version: int) -> dict[str, Any]:
        """The dynamic fields `note` and `tags` are not in the schema."""
        return {
            "id": self.id(number),
            "v": vector(number, version, self.dim).tolist(),
            "bucket": number % BUCKETS,
            "version": version,
            "name": f"n{number}-{version}",
            "note": f"dynamic {version}",
            "tags": {"even": version % 2 == 0, "of": [number, version]},
        }


def vector(number: int, version: int, dim: int = DIM) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng([number, version]).normal(0, 1, dim).astype(np.float32)
