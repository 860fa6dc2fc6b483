"""What the core and a worker say to each other over their channel: one JSON object a line.

Owns: the messages and their bytes. Not: when they are said (crew, worker).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from proxy.config import ListenTls, RelayConfig, TelemetryConfig, TlsConfig
from proxy.errors import Broken
from proxy.model.schema import Product
from proxy.net.listener import ListenerStats
from proxy.ports import Kind, Route
from proxy.routing.plan import Action

LINE_LIMIT: Final = 2**22
"""Bytes of a message: a report names each call of the product once."""


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# ---- from the core ----


class Setup(Message):
    """First. What a worker needs to know of the settings: no secret is among it."""

    kind: Literal["setup"] = "setup"
    product: Product
    listen: Mapping[str, str]
    """Role to host:port."""
    listen_tls: ListenTls | None
    relay: RelayConfig
    telemetry: TelemetryConfig
    upstreams: Mapping[str, str]
    """Role to the source's URL."""
    upstream_tls: TlsConfig
    directory: Path
    sockets: Mapping[str, str]
    """Role to the name of the core's socket in the directory."""
    drawn: Mapping[str, str]
    """The same, for reads that were drawn."""
    first: int
    """Where the numbers of this worker's reads begin."""


class Granted(Message):
    """routing.grant.Grant"""

    kind: Literal["granted"] = "granted"
    number: int
    actions: Mapping[Kind, Action]
    changes: bool
    shadow: float
    canary: float


class StopAccepting(Message):
    kind: Literal["stop accepting"] = "stop accepting"
    number: int


class Drain(Message):
    """Acknowledged when nothing is under way any more, or after `seconds`."""

    kind: Literal["drain"] = "drain"
    number: int
    seconds: float


# ---- from a worker ----


class Bound(Message):
    """It accepts clients."""

    kind: Literal["bound"] = "bound"


class Failed(Message):
    """It cannot start, and ends."""

    kind: Literal["failed"] = "failed"
    key: str
    """Of the settings; "" where it is none of them."""
    why: str


class Done(Message):
    """With this order and with all before it."""

    kind: Literal["done"] = "done"
    number: int


class Counted(Message):
    """How often a call was relayed past the core since the last report."""

    route: Route
    action: Action
    times: int


class Report(Message):
    """From time to time, and so a sign of life. `ports`: since the worker's start, by role."""

    kind: Literal["report"] = "report"
    counted: tuple[Counted, ...]
    ports: Mapping[str, ListenerStats]


FromCore: TypeAlias = Setup | Granted | StopAccepting | Drain
FromWorker: TypeAlias = Bound | Failed | Done | Report
M = TypeVar("M")
FROM_CORE: Final[TypeAdapter[FromCore]] = TypeAdapter(Annotated[FromCore, Field(discriminator="kind")])
FROM_WORKER: Final[TypeAdapter[FromWorker]] = TypeAdapter(Annotated[FromWorker, Field(discriminator="kind")])


class Channel(Generic[M]):
    """One end. `incoming` reads what the other end says."""

    def __init__(self, incoming: TypeAdapter[M], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._incoming = incoming
        self._reader = reader
        self._writer = writer

    @classmethod
    async def on(cls, incoming: TypeAdapter[M], end: Any) -> Channel[M]:
        """`end`: a socket of a pair."""
        reader, writer = await asyncio.open_unix_connection(sock=end, limit=LINE_LIMIT)
        return cls(incoming, reader, writer)

    def say(self, message: Message) -> None:
        """Never waits: what is said is little, and an end that does not read is given up by other means."""
        if not self._writer.is_closing():
            self._writer.write(message.model_dump_json().encode() + b"\n")

    async def said(self) -> None:
        """Returns when everything has left for the other end."""
        await self._writer.drain()

    async def hear(self) -> M | None:
        """The next message; None when the other end is gone. Raises Broken for what is no message."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        except ValueError as error:
            raise Broken(f"a message between core and worker is longer than {LINE_LIMIT} bytes") from error
        if not line.endswith(b"\n"):
            return None
        try:
            return self._incoming.validate_json(line)
        except ValidationError as error:
            raise Broken(f"core and worker do not understand each other: {error}") from error

    def finish(self) -> None:
        """Nothing more will be said from here."""
        if not self._writer.is_closing():
            self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()
