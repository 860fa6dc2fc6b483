"""The collection of an operation."""

from __future__ import annotations

from proxy.model.operation.reads import Read
from proxy.model.operation.writes import ChangeAliases, CreateCollection, DropAlias, Write


def collection_of(operation: Write | Read) -> str:
    """The collection named in the request, which may be an alias; "" where only aliases are."""
    match operation:
        case CreateCollection(schema=schema):
            return schema.collection
        case DropAlias() | ChangeAliases():
            return ""
        case _:
            return operation.collection
