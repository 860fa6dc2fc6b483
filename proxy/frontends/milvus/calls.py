"""A request as Milvus's message, and the names in it as the model's. Owns: parsing, databases, aliases, partitions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError

from proxy.errors import NotFound, Reason, Refused
from proxy.frontends import grpc
from proxy.frontends.milvus.messages import CALLS, Message
from proxy.frontends.milvus.routes import method_of
from proxy.milvus.schema import DEFAULT_DATABASE, DEFAULT_PARTITION, collection_name
from proxy.milvus.status import COLLECTION_NOT_FOUND
from proxy.model.schema import Schema
from proxy.ports import Catalog, Reply, Request

MAX_BODY: Final = 64 * 2**20 + grpc.PREFIX
"""Milvus's `proxy.grpc.serverMaxRecvSize`, and gRPC's prefix."""
SERVER_IDS: Final = "the server makes the ids, and only its reply tells them"
_NAME_FIELDS: Final = ("collection_name", "oldName")
_ROWS: Final = frozenset({"Insert", "Upsert", "Delete"})
"""Their messages name one collection. To ask a message for a field that it lacks costs as much as to parse a small one."""
_SINCE_2_4: Final[tuple[int, ...]] = (2, 4)


class CodedRefusal(Refused):
    """A refusal with a number of Milvus's own, where the reason alone does not say it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class CodedNotFound(NotFound):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Incoming:
    """`database` is "" for the default one."""

    method: str
    message: Message
    database: str

    def name(self, bare: str) -> str:
        return collection_name(self.database, bare)


def incoming(request: Request) -> Incoming:
    """Raises Refused where the bytes are no such message or the method is not one that we know."""
    method = method_of(request.path) or ""
    if method not in CALLS:
        raise Refused(f"{request.path.decode('utf-8', 'replace')} is not a call that is known here", Reason.UNSUPPORTED)
    message = parsed(CALLS[method].request, grpc.message(request.body, request.headers, MAX_BODY))
    database = getattr(message, "db_name", "") or grpc.header(request.headers, b"dbname") or ""
    return Incoming(method, message, "" if database == DEFAULT_DATABASE else database)


def answered(request: Request, reply: Reply) -> Message:
    """The primary's reply to this request. Raises Refused."""
    method = method_of(request.path) or ""
    return parsed(CALLS[method].response, grpc.message(reply.body, reply.headers, 2**32))


def parsed(kind: Any, raw: bytes) -> Message:
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise Refused(f"the message is no {kind.DESCRIPTOR.name}: {error}") from error


def named(call: Incoming) -> str:
    """The model's name of the collection that the message names, alias or not; "" where it names none, or several."""
    if call.method in _ROWS:
        return call.name(call.message.collection_name) if call.message.collection_name else ""
    several: Sequence[str] = getattr(call.message, "collection_names", ())
    if len(several) == 1:
        return call.name(several[0])
    bare = next((getattr(call.message, field) for field in _NAME_FIELDS if getattr(call.message, field, "")), "")
    # BatchDescribeCollection names several in a field of the same name.
    return call.name(bare) if isinstance(bare, str) and bare else ""


def found(call: Incoming, catalog: Catalog) -> str:
    """The collection that the request is about. Raises NotFound as Milvus does."""
    return found_named(call, named(call), catalog)


def found_named(call: Incoming, name: str, catalog: Catalog) -> str:
    try:
        return catalog.resolve(name)
    except NotFound:
        database, bare = call.database or DEFAULT_DATABASE, name.rpartition("/")[2]
        text = f"collection not found[database={database}][collection={bare}]"
        raise CodedNotFound(text, COLLECTION_NOT_FOUND) from None


def partition(schema: Schema, name: str) -> str | None:
    """The model's partition of a name; "" is the default one. Raises Refused where there is no such partition."""
    if name in ("", DEFAULT_PARTITION):
        return None
    if name not in schema.partitions:
        raise CodedNotFound(f"partition not found[partition={name}]", 200)
    return name


def partitions(schema: Schema, names: Sequence[str]) -> tuple[str | None, ...] | None:
    """None where none is named: all of them."""
    return tuple(partition(schema, name) for name in names) if names else None


def every_partition(schema: Schema) -> tuple[str | None, ...]:
    return (None, *schema.partitions)


def server_version(catalog: Catalog) -> tuple[int, ...]:
    """(2, 3, 5) of `v2.3.5-lite`; () where the source did not say."""
    digits = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", catalog.fact("version"))
    return tuple(int(part) for part in digits.groups() if part) if digits else ()


def prefix_only(catalog: Catalog) -> bool:
    """Whether the server's LIKE knows prefixes only."""
    version = server_version(catalog)
    return bool(version) and version < _SINCE_2_4


def says_key_name(catalog: Catalog) -> bool:
    """Whether the server names the primary key field in a search's reply; clients call it `id` where it does not."""
    version = server_version(catalog)
    return not version or version >= _SINCE_2_4
