"""Indexes as an application on Milvus keeps them, with the official client. A vector's names its metric, and finds exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from conformance.drivers.milvus_errors import asked
from conformance.drivers.milvus_rows import METRICS
from pymilvus import DataType, MilvusClient

from proxy.model.operation import CreateIndex, DropIndex
from proxy.model.schema import DType, Metric, VectorField, VectorKind

DTYPES: Final = {
    DataType.FLOAT_VECTOR: DType.FLOAT32,
    DataType.FLOAT16_VECTOR: DType.FLOAT16,
    DataType.BINARY_VECTOR: DType.BINARY,
    DataType.SPARSE_FLOAT_VECTOR: DType.FLOAT32,
}
_METRICS: Final = {name: metric for metric, name in METRICS.items()}


class Indexes:
    def __init__(self, client: MilvusClient) -> None:
        self._client = client

    async def metric(self, collection: str, vector: str) -> Metric | None:
        if not (names := await asked(self._client.list_indexes, collection, vector)):
            return None
        return _METRICS[(await asked(self._client.describe_index, collection, names[0]))["metric_type"]]

    async def apply(self, change: CreateIndex | DropIndex) -> None:
        """Of what is no field, Milvus has no index."""
        told = await asked(self._client.describe_collection, change.collection)
        field = next((each for each in told["fields"] if each["name"] == change.field), None)
        match change:
            case _ if field is None:
                return
            case CreateIndex(collection, _, params=params) if field["type"] in DTYPES:
                await self.find_nearest(collection, vector_of(field, Metric(params["metric"])))
                await asked(self._client.load_collection, collection)
            case CreateIndex(collection, name):
                await self._create(collection, field_name=name, index_type="")
            case DropIndex(collection, name):
                await self._drop(collection, name)

    async def find_nearest(self, collection: str, vector: VectorField) -> None:
        """Without a metric there is nothing to find."""
        if vector.metric is not None:
            params = {"index_type": _exact(vector), "metric_type": METRICS[vector.metric]}
            await self._create(collection, field_name=vector.name, **params)

    async def _create(self, collection: str, **params: Any) -> None:
        """Without the half second that the client sleeps before it looks for the index: loading waits for it."""
        index = self._client.prepare_index_params()
        index.add_index(index_name=params["field_name"], **params)
        await asked(self._client.create_index, collection, index, sync=False)

    async def _drop(self, collection: str, field: str) -> None:
        """Milvus refuses that while the collection is loaded."""
        if field not in await asked(self._client.list_indexes, collection):
            return
        await asked(self._client.release_collection, collection)
        await asked(self._client.drop_index, collection, field)
        await asked(self._client.load_collection, collection)


def vector_of(field: Mapping[str, Any], metric: Metric | None) -> VectorField:
    kind = VectorKind.SPARSE if field["type"] == DataType.SPARSE_FLOAT_VECTOR else VectorKind.DENSE
    return VectorField(field["name"], kind, int(field["params"].get("dim", 0)), metric, DTYPES[field["type"]])


def _exact(vector: VectorField) -> str:
    if vector.kind is VectorKind.SPARSE:
        return "SPARSE_INVERTED_INDEX"
    return "BIN_FLAT" if vector.dtype is DType.BINARY else "FLAT"
