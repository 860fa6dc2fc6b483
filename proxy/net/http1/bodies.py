"""Where a body of HTTP/1.1 ends, and its content without chunk framing (RFC 9112, 6 and 7).

Owns: counting and reading chunk lines, strictly. Not: the bytes themselves, which go on as they came.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, Protocol, final

from proxy.net.http1.heads import CHUNKED, UNTIL_CLOSE
from proxy.net.limits import CHUNK_LINE

SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,15})(?:;[^\0\r\n]*)?")
PADDED_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\0\r\n]*)?")
"""Some servers write blanks behind it. In requests they are refused, as parsers differ about them."""


class BadBody(Exception):
    """The framing is broken: the connection ends."""


@final
class Part:
    """What a read brought of a body; `used`: bytes of the wire that belong to it."""

    __slots__ = ("content", "end", "used")

    def __init__(self, used: int, content: bytes, end: bool) -> None:
        self.used = used
        self.content = content
        self.end = end


class Body(Protocol):
    def read(self, wire: bytes) -> Part:
        """Raises BadBody. What is not used comes again, with more behind it, unless it ended."""


def body(length: int, *, trailer_limit: int, size_line: re.Pattern[bytes]) -> Body:
    if length == CHUNKED:
        return Chunks(trailer_limit, size_line)
    return Rest() if length == UNTIL_CLOSE else Counted(length)


class Counted:
    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        self._left = length

    def read(self, wire: bytes) -> Part:
        content = wire if len(wire) <= self._left else wire[: self._left]
        self._left -= len(content)
        return Part(len(content), content, self._left == 0)


class Rest:
    """Up to the end of the connection, which the connection tells."""

    def read(self, wire: bytes) -> Part:
        return Part(len(wire), wire, end=False)


class _Expect(Enum):
    SIZE = "size"
    CONTENT = "content"
    CRLF = "crlf"
    TRAILER = "trailer"


_TRAILER_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\0\r\n]*")


class Chunks:
    __slots__ = ("_expect", "_left", "_size_line", "_trailer_left")

    def __init__(self, trailer_limit: int, size_line: re.Pattern[bytes] = SIZE) -> None:
        self._size_line = size_line
        self._expect = _Expect.SIZE
        self._left = 0
        self._trailer_left = trailer_limit

    def read(self, wire: bytes) -> Part:
        at, contents = 0, []
        while at < len(wire):
            if self._expect is _Expect.CONTENT:
                content = wire[at : at + self._left]
                contents.append(content)
                at += self._content(len(content))
                continue
            line_end = wire.find(b"\n", at)
            if line_end < 0:
                self._check_open_line(len(wire) - at)
                break
            end = self._line(wire[at : line_end + 1])
            at = line_end + 1
            if end:
                return Part(at, b"".join(contents), end=True)
        return Part(at, b"".join(contents), end=False)

    def _content(self, size: int) -> int:
        self._left -= size
        if not self._left:
            self._expect = _Expect.CRLF
        return size

    def _check_open_line(self, size: int) -> None:
        if size > (self._trailer_left if self._expect is _Expect.TRAILER else CHUNK_LINE):
            raise BadBody("a line of a chunked body is too long")

    def _line(self, line: bytes) -> bool:
        """True where it is the body's last."""
        self._check_open_line(len(line))
        if not line.endswith(b"\r\n"):
            raise BadBody("a bare LF in a chunked body")
        match self._expect:
            case _Expect.CRLF:
                self._after_content(line)
            case _Expect.SIZE:
                self._size(line[:-2])
            case _:
                return self._trailer(line)
        return False

    def _after_content(self, line: bytes) -> None:
        if line != b"\r\n":
            raise BadBody("a chunk is longer than its size")
        self._expect = _Expect.SIZE

    def _size(self, line: bytes) -> None:
        found = self._size_line.fullmatch(line)
        if found is None:
            raise BadBody("a chunk's size is no number")
        self._left = int(found[1], 16)
        self._expect = _Expect.CONTENT if self._left else _Expect.TRAILER

    def _trailer(self, line: bytes) -> bool:
        self._trailer_left -= len(line)
        if line != b"\r\n" and not _TRAILER_LINE.fullmatch(line[:-2]):
            raise BadBody("a malformed trailer")
        return line == b"\r\n"
