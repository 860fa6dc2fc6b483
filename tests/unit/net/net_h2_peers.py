"""The h2 library as client and as upstream: an independent reading of RFC 9113 on both sides of the relay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import hpack
from net_ports import Port

GRPC = [("content-type", "application/grpc"), ("te", "trailers")]


class Stubborn(hpack.Encoder):
    """Keeps its table whatever the other side's SETTINGS say."""

    @property
    def header_table_size(self) -> int:
        return 4096

    @header_table_size.setter
    def header_table_size(self, value: int) -> None: ...


class Peer:
    """Reads events into a list; `on` answers them as they come."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, client: bool, stubborn: bool = False
    ) -> None:
        self.reader, self.writer = reader, writer
        config = h2.config.H2Configuration(client_side=client, header_encoding="utf-8", validate_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        self.events: list[h2.events.Event] = []
        self.on: Callable[[Peer, h2.events.Event], None] = lambda peer, event: None
        self.grant = True
        self.closed = False
        self._changed = asyncio.Event()
        if stubborn:
            self.h2.encoder = Stubborn()

    async def run(self) -> None:
        self.h2.initiate_connection()
        self.flush()
        while data := await self._read():
            for event in self.h2.receive_data(data):
                self.events.append(event)
                if isinstance(event, h2.events.DataReceived) and self.grant and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                self.on(self, event)
            self.flush()
            self._changed.set()
        self.closed = True
        self._changed.set()

    async def _read(self) -> bytes:
        try:
            return await self.reader.read(65_536)
        except ConnectionError:
            return b""

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    def send(self, act: Callable[[h2.connection.H2Connection], Any]) -> None:
        act(self.h2)
        self.flush()

    def raw(self, kind: int, flags: int, stream_id: int, payload: bytes = b"") -> None:
        self.writer.write(len(payload).to_bytes(3) + bytes((kind, flags)) + stream_id.to_bytes(4) + payload)

    async def until(self, true: Callable[[], Any]) -> Any:
        async with asyncio.timeout(5):
            while not (found := true()):
                self._changed.clear()
                await self._changed.wait()
        return found

    def of(self, kind: type[Any], stream_id: int | None = None) -> list[Any]:
        return [e for e in self.events if isinstance(e, kind) and (stream_id is None or e.stream_id == stream_id)]

    async def first(self, kind: type[Any], stream_id: int | None = None) -> Any:
        return await self.until(lambda: next(iter(self.of(kind, stream_id)), None))

    def body(self, stream_id: int) -> bytes:
        return b"".join(e.data for e in self.of(h2.events.DataReceived, stream_id))

    def request(
        self, stream_id: int, body: bytes | None = b"", path: str = "/p", extra: Iterable[tuple[str, str]] = ()
    ) -> None:
        """`body` None: the head only, the stream stays open."""
        head = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"), *extra]
        self.h2.send_headers(stream_id, head, end_stream=body == b"")
        if body:
            self.h2.send_data(stream_id, body, end_stream=True)
        self.flush()


def echo(peer: Peer, event: h2.events.Event) -> None:
    """An upstream that answers each request at its end, with its path and body."""
    if isinstance(event, h2.events.StreamEnded):
        head = dict(peer.of(h2.events.RequestReceived, event.stream_id)[-1].headers)
        peer.h2.send_headers(event.stream_id, [(":status", "200"), ("x-path", head[":path"])])
        if body := peer.body(event.stream_id):
            peer.h2.send_data(event.stream_id, body)
        peer.h2.send_headers(event.stream_id, [("x-trailer", "t")], end_stream=True)


class Upstream(Port):
    """Each connection is a Peer with the present `on`."""

    def __init__(self) -> None:
        super().__init__()
        self.on = echo
        self.peers: list[Peer] = []
        self.settings: dict[h2.settings.SettingCodes, int] = {}
        self.stubborn = False
        self.grant = True
        self.came = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, client=False, stubborn=self.stubborn)
        peer.on, peer.grant = self.on, self.grant
        peer.h2.local_settings = h2.settings.Settings(client=False, initial_values=self.settings)
        peer.h2.local_settings.update(self.settings)
        self.peers.append(peer)
        self.came.set()
        await peer.run()
