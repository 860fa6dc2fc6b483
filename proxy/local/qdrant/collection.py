"""One collection: a shard of the engine, with its settings and the number of its last write.

Owns: the shard's life, and that each call's failure becomes a Fault. Not: what is persisted about it (registry), what a
request means.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from proxy.local.qdrant.engine import member_name, twin
from proxy.local.qdrant.errors import engine_faults
from proxy.local.qdrant.settings import engine_config
from proxy.qdrant.settings import collection_config

FieldSchema = models.PayloadSchemaType | models.PayloadSchemaParams


class Collection:
    """`indexes` and `settings` are what the client said; they change with the shard and are saved by the registry."""

    def __init__(
        self,
        name: str,
        directory: Path,
        shard: edge.EdgeShard,
        settings: models.CreateCollection,
        indexes: dict[str, FieldSchema],
    ) -> None:
        self.name = name
        self.directory = directory
        self.settings = settings
        self.indexes = indexes
        self._shard = shard
        self._operation = _last_operation(shard)
        self._flushed = self._operation

    @classmethod
    def create(cls, name: str, directory: Path, settings: models.CreateCollection) -> Collection:
        with engine_faults():
            shard = edge.EdgeShard.create(str(directory), engine_config(settings))
        return cls(name, directory, shard, settings, {})

    @classmethod
    def load(cls, name: str, directory: Path, settings: models.CreateCollection, indexes: dict[str, FieldSchema]) -> Collection:
        with engine_faults():
            shard = edge.EdgeShard.load(str(directory))
        return cls(name, directory, shard, settings, indexes)

    def __repr__(self) -> str:
        return f"<Collection {self.name} operation={self._operation}>"

    def update(self, operation: edge.UpdateOperation) -> int:
        """Applies a write; it is in the write-ahead log when this returns. Returns its number in this collection."""
        self._operation += 1  # the log numbers failed operations too
        with engine_faults():
            self._shard.update(operation)
        return self._operation

    def query(self, request: edge.QueryRequest) -> list[edge.ScoredPoint]:
        with engine_faults():
            return self._shard.query(request)

    def scroll(self, request: edge.ScrollRequest) -> tuple[list[edge.Record], Any]:
        with engine_faults():
            return self._shard.scroll(request)

    def retrieve(self, ids: list[Any], with_payload: Any, with_vector: Any) -> list[edge.Record]:
        """In the order of `ids`; missing ones are left out."""
        with engine_faults():
            return self._shard.retrieve(ids, with_payload, with_vector)

    def count(self, request: edge.CountRequest) -> int:
        with engine_faults():
            return self._shard.count(request)

    def facet(self, request: edge.FacetRequest) -> list[edge.FacetHit]:
        with engine_faults():
            return list(self._shard.facet(request).hits)

    def describe(self) -> models.CollectionInfo:
        with engine_faults():
            found = self._shard.info()
        return models.CollectionInfo(
            status=models.CollectionStatus.GREEN,
            optimizer_status=models.OptimizersStatusOneOf.OK,
            indexed_vectors_count=found.indexed_vectors_count,
            points_count=found.points_count,
            segments_count=found.segments_count,
            config=collection_config(self.settings),
            payload_schema={name: self._index(name, index) for name, index in found.payload_schema.items()},
            update_queue=models.UpdateQueueInfo(length=0),
        )

    def flush(self) -> None:
        """Brings what was written since the last flush to the disk, so that the log can shrink."""
        if self._flushed == self._operation:
            return
        with engine_faults():
            self._shard.flush()
        self._flushed = self._operation

    def optimize(self) -> None:
        """Builds what indexes are worth building. Holds the interpreter's lock for as long as that takes: seconds, minutes."""
        with engine_faults():
            while self._shard.optimize():
                pass

    def close(self) -> None:
        with engine_faults():
            self._shard.close()

    def _index(self, name: str, index: edge.PayloadIndexInfo) -> models.PayloadIndexInfo:
        # The engine may know an index that we do not: killed after it was logged and before the registry was saved.
        schema = self.indexes.get(name)
        kind = models.PayloadSchemaType(member_name(index.data_type))
        params = None if isinstance(schema, models.PayloadSchemaType) else schema
        return models.PayloadIndexInfo(data_type=kind, params=params, points=index.points)


def create_index(collection: Collection, field: str, schema: FieldSchema) -> int:
    """Persisted by the caller's `registry.save()`."""
    with engine_faults():
        operation = edge.UpdateOperation.create_field_index(field, twin(schema))
    number = collection.update(operation)
    collection.indexes[field] = schema
    return number


def delete_index(collection: Collection, field: str) -> int:
    """Persisted by the caller's `registry.save()`. An index that is not there is no error."""
    with engine_faults():
        operation = edge.UpdateOperation.delete_field_index(field)
    number = collection.update(operation)
    collection.indexes.pop(field, None)
    return number


def _last_operation(shard: edge.EdgeShard) -> int:
    """Its number; -1 before the first. A segment that never changed has version 0, as one has that saw operation 0."""
    versions = [segment.get("segment_version") or 0 for segment in shard.snapshot_manifest().values()]
    return max(versions, default=0) or (0 if shard.info().points_count else -1)
