"""Requests and replies as bytes, for the frontend's tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from proxy.errors import NotFound
from proxy.frontends import grpc
from proxy.frontends.milvus.frontend import MilvusFrontend
from proxy.frontends.milvus.routes import SERVICE
from proxy.milvus.schema import key_values, schema_of
from proxy.model.schema import Schema
from proxy.ports import Headers, Reply, Request


@dataclass
class FixedClock:
    seconds: float = 1_700_000_000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class OneCatalog:
    """ports.Catalog of one collection."""

    only: Schema
    facts: dict[str, str] = field(default_factory=dict)

    def resolve(self, name: str) -> str:
        if name != self.only.collection:
            raise NotFound(name)
        return name

    def schema(self, collection: str) -> Schema:
        self.resolve(collection)
        return self.only

    def collections(self) -> tuple[str, ...]:
        return (self.only.collection,)

    def aliases(self) -> dict[str, str]:
        return {"alias": self.only.collection}

    def loaded(self, collection: str) -> bool:
        return True

    def fact(self, name: str) -> str:
        return self.facts.get(name, "")


def request(method: str, message: Any, headers: Headers = ()) -> Request:
    return Request(b"POST", (SERVICE + method).encode(), headers, grpc.framed(message.SerializeToString()))


def reply(message: Any) -> Reply:
    return grpc.succeeded(message.SerializeToString())


def frontend() -> MilvusFrontend:
    return MilvusFrontend(FixedClock())


def field_schema(name: str, kind: int, **settings: Any) -> schema_pb2.FieldSchema:
    params = {key: settings.pop(key) for key in ("dim", "max_length") if key in settings}
    return schema_pb2.FieldSchema(name=name, data_type=kind, type_params=key_values(params), **settings)


def collection(*fields: schema_pb2.FieldSchema, partitions: tuple[str, ...] = (), **settings: Any) -> Schema:
    schema = schema_pb2.CollectionSchema(name="c", fields=fields, **settings)
    for number, each in enumerate(schema.fields, 100):
        each.fieldID = number
    index = milvus_pb2.IndexDescription(field_name="v", index_name="v", params=key_values({"metric_type": "L2"}))
    return schema_of(milvus_pb2.DescribeCollectionResponse(schema=schema), [index], partitions)


KEY = field_schema("id", schema_pb2.Int64, is_primary_key=True)
VECTOR = field_schema("v", schema_pb2.FloatVector, dim=2)


def column(name: str, kind: int, values: Any, valid: list[bool] | None = None) -> schema_pb2.FieldData:
    lists = {schema_pb2.Int64: "long_data", schema_pb2.VarChar: "string_data", schema_pb2.JSON: "json_data"}
    made = schema_pb2.FieldData(type=kind, field_name=name, valid_data=valid or [])
    if kind == schema_pb2.FloatVector:
        made.vectors.dim = len(values[0])
        made.vectors.float_vector.data.extend(x for row in values for x in row)
    else:
        getattr(made.scalars, lists[kind]).data.extend(values)
    return made
