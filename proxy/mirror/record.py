"""The journal's records as bytes and back. Pure.

Owns: what of a request is kept (never a credential). Not: where it is kept (tables), nor what it means (the frontend).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

from proxy._pb.vecferry import journal_pb2 as pb
from proxy.errors import Broken
from proxy.model.point import Key, PointId
from proxy.ports import Headers, Outcome, Reply, Request

_KEPT: Final = frozenset(
    {b"content-type", b"content-encoding", b"dbname", b"grpc-encoding", b"grpc-status", b"grpc-message"}  # dbname: Milvus
)
"""The headers that frontends read. Any other may hold a credential, under whatever name."""
_INT64_MAX: Final = 2**63 - 1
_CALLS: Final = 256

OUTCOMES: Final = {
    Outcome.ACCEPTED: pb.OUTCOME_ACCEPTED,
    Outcome.REFUSED: pb.OUTCOME_REFUSED,
    Outcome.UNKNOWN: pb.OUTCOME_UNKNOWN,
}
OUTCOME_OF: Final = {number: outcome for outcome, number in OUTCOMES.items()}


@dataclass(frozen=True, slots=True)
class Intent:
    """What a client asked for. `keys` None: the request (or only the primary) knows them.

    `keys_only`: the body was not kept; then `keys` are what it touches in `collection`, or None where nobody could tell.
    `collection`: what the name in the request meant when it was executed, "" where only the primary resolved it.
    `since`: the mirror's position before the keys were listed. `received` in seconds since the epoch.
    """

    epoch: int
    route: str
    role: str
    request: Request
    received: float
    keys: tuple[Key, ...] | None = None
    since: int | None = None
    keys_only: bool = False
    collection: str = ""


def encode_head(intent: Intent) -> bytes:
    """All but the body."""
    request = intent.request
    kept = tuple(header for header in request.headers if header[0] in _KEPT)
    own = pb.Record(received=intent.received)
    if intent.keys is not None:
        own.listed = True
        own.keys.extend(map(_key_message, intent.keys))
    if intent.since is not None:
        own.since = intent.since
    if intent.keys_only:
        own.keys_only = True
    call = _call(intent.epoch, intent.route, intent.role, request.method, request.path, kept, intent.collection)
    return call + bytes(own.SerializeToString())


@lru_cache(maxsize=_CALLS)
def _call(epoch: int, route: str, role: str, method: bytes, path: bytes, headers: Headers, collection: str) -> bytes:
    """The fields that most writes of an application have in common. Encoded messages one behind the other are the encoding of
    both merged (protobuf, "Encoding", last one wins)."""
    request = pb.Request(method=method, path=path, headers=_messages(headers))
    return bytes(pb.Record(epoch=epoch, route=route, role=role, request=request, collection=collection).SerializeToString())


def decode_head(head: bytes, body: bytes) -> Intent:
    record = pb.Record.FromString(head)
    request = Request(record.request.method, record.request.path, _headers(record.request.headers), body)
    keys = tuple(map(_key, record.keys)) if record.listed else None
    return Intent(
        record.epoch,
        record.route,
        record.role,
        request,
        record.received,
        keys,
        record.since if record.HasField("since") else None,
        record.keys_only,
        record.collection,
    )


def encode_reply(reply: Reply) -> bytes:
    headers, trailers = _messages(reply.headers), _messages(reply.trailers)
    return pb.Reply(status=reply.status, headers=headers, body=reply.body, trailers=trailers).SerializeToString()


def decode_reply(blob: bytes) -> Reply:
    message = pb.Reply.FromString(blob)
    return Reply(message.status, _headers(message.headers), message.body, _headers(message.trailers))


def encode_key(key: Key) -> bytes:
    """One key, one blob: it serves as a primary key."""
    return _key_message(key).SerializeToString(deterministic=True)


def decode_key(blob: bytes) -> Key:
    return _key(pb.Key.FromString(blob))


def _messages(headers: Headers) -> list[pb.Header]:
    return [pb.Header(name=name, value=value) for name, value in headers if name in _KEPT]


def _headers(messages: Iterable[pb.Header]) -> Headers:
    return tuple((header.name, header.value) for header in messages)


def _key_message(key: Key) -> pb.Key:
    message = pb.Key(collection=key.collection, partition=key.partition)
    match key.id:
        case UUID(bytes=octets):
            message.uuid = octets
        case str(text):
            message.text = text
        case int(number) if number > _INT64_MAX:
            message.unsigned = number
        case int(number):
            message.signed = number
    return message


def _key(message: pb.Key) -> Key:
    return Key(message.collection, message.partition if message.HasField("partition") else None, _id(message))


def _id(message: pb.Key) -> PointId:
    match message.WhichOneof("id"):
        case "uuid":
            return UUID(bytes=message.uuid)
        case "text":
            return message.text
        case "signed":
            return message.signed
        case "unsigned":
            return message.unsigned
        case _:
            raise Broken("a key in the journal has no id")
