"""The nouns that both protocols share: a piece of a message, the two ends of an exchange, what can go wrong upstream.

An exchange joins a client's end and an upstream's end of the same protocol, so a piece travels as the bytes that were
received; only framing (stream ids, frame sizes) is an end's own. Owns no behaviour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, Protocol, final

from proxy.net.refusal import Trouble
from proxy.ports import Headers, Reply


class Kind(Enum):
    HEAD = "head"
    INTERIM = "interim"
    """The head of a 1xx reply; the real one follows."""
    BODY = "body"
    TRAILERS = "trailers"

    __hash__ = object.__hash__  # an Enum's own is a call of Python


HEAD: Final = Kind.HEAD
INTERIM: Final = Kind.INTERIM
BODY: Final = Kind.BODY
TRAILERS: Final = Kind.TRAILERS
"""For each piece's way: in Python 3.11 a member that is looked up in its Enum costs a call."""


@final
class Piece:
    """Part of a message in the order of the wire: a head, body bytes (any number of pieces), perhaps trailers.

    Never changed. Not a dataclass, nor a named tuple: only this is made without the interpreter where it is compiled.
    """

    __slots__ = ("content", "end", "kind", "wire")

    def __init__(self, kind: Kind, wire: bytes, content: bytes, end: bool) -> None:
        self.kind = kind
        self.wire = wire
        """HTTP/1.1: the bytes themselves. HTTP/2: the header block, or the payload of DATA."""
        self.content = content
        """The body bytes in it, without chunk framing."""
        self.end = end


@dataclass(frozen=True, slots=True)
class RequestHead:
    method: bytes
    path: bytes
    headers: Headers
    length: int | None
    """The content-length that the client declared."""
    authority: bytes = b""
    """The name under which the client came: Host or :authority."""

    @property
    def grpc(self) -> bool:
        return any(name == b"content-type" and value.startswith(b"application/grpc") for name, value in self.headers)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What an upstream is told in place of what the client said. Everything else goes on verbatim."""

    authority: bytes | None = None
    """Host or :authority; None: the client's."""
    dropped: frozenset[bytes] = frozenset()
    """Names, in lower case, of fields that do not go on."""
    added: Headers = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an upstream's end cannot complete an exchange."""

    text: str
    trouble: Trouble = Trouble.CUT
    untaken: bool = False
    """The upstream surely did nothing with the request."""
    code: int | None = None
    """HTTP/2: the code of the upstream's RST_STREAM, to be passed on."""


class Version(StrEnum):
    """An exchange keeps its protocol on both sides."""

    HTTP1 = "HTTP/1.1"
    HTTP2 = "HTTP/2"

    __hash__ = str.__hash__  # an Enum's own is a call of Python, and every request asks tables by it


HTTP2: Final = Version.HTTP2
"""See HEAD."""


class ClientEnd(Protocol):
    """Takes the reply."""

    version: Version

    def invite(self) -> None:
        """The body is wanted (HTTP/1.1: 100 Continue where the client waits for it)."""

    def grant(self, size: int) -> None:
        """So many body bytes have gone on: the client may send as many more."""

    def send(self, piece: Piece) -> int:
        """Body bytes taken at once; the exchange's `reply_drained` tells of the rest."""

    def answer(self, reply: Reply) -> None:
        """A whole reply of ours. Nothing was sent before."""

    def cut(self, failure: Failure) -> None:
        """Ends a reply that began and cannot be completed, or passes the upstream's reset on."""

    def read(self, pieces: Sequence[Piece]) -> Reply:
        """The reply that these pieces are."""


class UpstreamEnd(Protocol):
    """Takes the request."""

    def send(self, piece: Piece) -> int:
        """Body bytes taken at once; the relay's `request_drained` tells of the rest."""

    def grant(self, size: int) -> None:
        """So many body bytes of the reply have gone on."""

    def reset(self) -> None:
        """The exchange is given up; nothing is reported afterwards."""

    @property
    def flushed(self) -> bool:
        """Everything that was given to `send` has left for the upstream."""


class Connections(Protocol):
    """To one upstream, of one protocol."""

    def open(self, caller: Caller) -> None:
        """`attached` is called, now or later, or `failed` when none could be had in time."""

    def leave(self, caller: Caller) -> None:
        """The caller waits no more."""


class Caller(Protocol):
    """Whoever waits for an upstream's end, and then hears from it: the relay."""

    def attached(self, end: UpstreamEnd) -> None: ...

    def reply(self, piece: Piece) -> None: ...

    def request_drained(self, size: int) -> None: ...

    def failed(self, failure: Failure) -> None: ...
