"""What official clients send and are answered, as it is on the wire, less what differs between any two runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final, TypeAlias

import grpc
import httpx
import orjson
from google.protobuf.json_format import MessageToDict

PASSING: Final = frozenset({"time", "operation_id", "client_info", "coll_seal_times"})
"""Of bodies: of the moment, and of how often a server was asked before."""
OF_THE_MOMENT: Final = frozenset({"date", "content-length"})
"""Of headers. The length follows the digits of the time."""
MADE_UP: Final = re.compile(r"127\.0\.0\.1:\d+|\b\d{16,}\b")
"""In texts, and in the whole numbers that JSON has as such: ports; Milvus's timestamps and ids."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """`asked`: method, path and body. `status`: HTTP's, or gRPC's with its words."""

    asked: tuple[Any, ...]
    status: tuple[Any, ...]
    headers: tuple[tuple[str, str], ...]
    body: Any


Answers: TypeAlias = Mapping[str, list[Exchange]]
"""By the name of the script."""


def different(direct: Answers, through: Answers) -> dict[str, Any]:
    """The first exchange of each script that is another one, of either run."""
    return {name: _first(found, through[name]) for name, found in direct.items() if found != through[name]}


def _first(direct: list[Exchange], through: list[Exchange]) -> tuple[Exchange | None, Exchange | None]:
    return next(pair for pair in zip_longest(direct, through) if pair[0] != pair[1])


@dataclass(slots=True)
class Record:
    exchanges: list[Exchange] = field(default_factory=list)

    def taken(self) -> list[Exchange]:
        """Since the last time."""
        found, self.exchanges = self.exchanges, []
        return found


def lasting(tree: Any) -> Any:
    """Without what is passing."""
    match tree:
        case dict():
            return {name: lasting(each) for name, each in tree.items() if name not in PASSING}
        case list():
            return [lasting(each) for each in tree]
        case str():
            return MADE_UP.sub("SOME", tree)
        case _:
            return tree


def _headers(pairs: Sequence[tuple[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name.lower(), str(value)) for name, value in pairs if name.lower() not in OF_THE_MOMENT))


def _content(response: httpx.Response) -> Any:
    if response.content and response.headers.get("content-type", "").startswith("application/json"):
        return lasting(orjson.loads(response.content))
    return response.content


def _told(message: Any) -> Any:
    return lasting(MessageToDict(message, preserving_proto_field_name=True))


class RestRecorder(httpx.HTTPTransport):
    """The `transport` of a client of httpx."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self._record = record

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        response = super().handle_request(request)
        response.read()
        asked = (request.method, request.url.raw_path, body)
        headers = _headers(response.headers.multi_items())
        self._record.exchanges.append(Exchange(asked, (response.status_code,), headers, _content(response)))
        return response


class GrpcRecorder(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    """Goes before a channel: `grpc.intercept_channel(channel, GrpcRecorder(record))`."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        call = continuation(details, request)
        body = _told(call.result()) if call.code() is grpc.StatusCode.OK else None
        headers = _headers([*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())])
        found = Exchange((details.method, _told(request)), (call.code(), call.details()), headers, body)
        self._record.exchanges.append(found)
        return call
