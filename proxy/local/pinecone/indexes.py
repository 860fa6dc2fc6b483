"""The indexes of the one project: making, describing, changing, deleting them.

A description has the fields of all versions of the API: older clients need the ones, 2026-07 the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.local.pinecone.config import INDEXES, MAX_DIMENSION, LocalPineconeConfig
from proxy.local.pinecone.data_port import DataPort
from proxy.local.pinecone.errors import EXHAUSTED, EXISTS, FORBIDDEN, INVALID, NOT_FOUND, Fault
from proxy.local.pinecone.records import Records, Traits

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?")
_METRICS: Final = ("cosine", "euclidean", "dotproduct")
_FIELDS: Final = {"dense": "_values", "sparse": "_sparse_values"}


@dataclass(slots=True)
class Index:
    name: str
    traits: Traits
    cloud: Mapping[str, Any]
    protection: str
    tags: dict[str, str]
    data: DataPort


class Indexes:
    def __init__(self, config: LocalPineconeConfig) -> None:
        self._config = config
        self._indexes: dict[str, Index] = {}

    def all(self) -> dict[str, Any]:
        return {"indexes": [self._told(index) for index in self._indexes.values()]}

    def describe(self, name: str) -> dict[str, Any]:
        return self._told(self._found(name))

    async def create(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        name, traits = str(asked.get("name", "")), _traits(asked)
        if not _NAME.fullmatch(name):
            raise Fault(INVALID, "Name must be 1-45 characters long, of lower case letters, digits and '-'")
        if name in self._indexes:
            raise Fault(EXISTS, f"Resource {name} already exists")
        if len(self._indexes) >= INDEXES:
            raise Fault(EXHAUSTED, f"The local server has at most {INDEXES} indexes")
        data = await DataPort(Records(traits), self._config).start()
        protection = str(asked.get("deletion_protection") or "disabled")
        self._indexes[name] = Index(name, traits, _cloud(asked), protection, dict(asked.get("tags") or {}), data)
        return self.describe(name)

    def configure(self, name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        index = self._found(name)
        index.protection = str(asked.get("deletion_protection") or index.protection)
        tags = {**index.tags, **(asked.get("tags") or {})}
        index.tags = {key: value for key, value in tags.items() if value}
        return self._told(index)

    async def delete(self, name: str) -> None:
        if self._found(name).protection == "enabled":
            raise Fault(FORBIDDEN, f"Deletion protection is enabled for index {name}")
        await self._indexes.pop(name).data.close()

    async def close(self) -> None:
        for index in self._indexes.values():
            await index.data.close()

    def _found(self, name: str) -> Index:
        if name not in self._indexes:
            raise Fault(NOT_FOUND, f"Resource {name} not found")
        return self._indexes[name]

    def _told(self, index: Index) -> dict[str, Any]:
        traits = index.traits
        dense = {"dimension": traits.dimension} if traits.dimension else {}
        field = {"type": f"{traits.vector_type}_vector", "metric": traits.metric, **dense}
        return {
            "name": index.name,
            "host": f"http://{self._config.host}:{index.data.port}",
            "metric": traits.metric,
            "vector_type": traits.vector_type,
            "status": {"ready": True, "state": "Ready"},
            "deletion_protection": index.protection,
            "tags": index.tags or None,
            "spec": {"serverless": index.cloud},
            "schema": {"fields": {_FIELDS[traits.vector_type]: field}},
            "deployment": {"deployment_type": "managed", **index.cloud},
            **dense,
        }


def _traits(asked: Mapping[str, Any]) -> Traits:
    fields = (asked.get("schema") or {}).get("fields") or {}
    field = next((fields[name] for name in _FIELDS.values() if name in fields), None) or asked
    kind = str(field.get("vector_type") or str(field.get("type", "dense_vector")).removesuffix("_vector"))
    metric = str(field.get("metric") or ("dotproduct" if kind == "sparse" else "cosine"))
    dimension = field.get("dimension") or 0
    if kind not in _FIELDS or metric not in _METRICS:
        raise Fault(INVALID, f"{kind} vectors and metric {metric}: the local server has not both")
    if kind == "dense" and not (isinstance(dimension, int) and 0 < dimension <= MAX_DIMENSION):
        raise Fault(INVALID, f"Dimension must be from 1 to {MAX_DIMENSION}")
    return Traits(dimension, metric, kind)


def _cloud(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    found = asked.get("deployment") or (asked.get("spec") or {}).get("serverless") or {}
    return {"cloud": found.get("cloud", "aws"), "region": found.get("region", "us-east-1")}
