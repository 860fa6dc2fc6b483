"""Header blocks that depend on no table (RFC 7541): reading, building, judging them.

Both our SETTINGS say HEADER_TABLE_SIZE = 0, so a peer's block is self-contained and goes on verbatim. Everything is
checked before that: a block that the upstream cannot read would end the connection that all clients share.
Owns: header blocks. Not: frames (frames), which connection has a table (FieldDecoder knows its own only).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, NamedTuple

import hpack
from hpack.table import HeaderTable

from proxy.net import targets
from proxy.net.ends import RequestHead, Rewrite
from proxy.net.http2.frames import Code, ConnectionFault
from proxy.ports import Headers

_STATIC: Final[Headers] = tuple(HeaderTable.STATIC_TABLE)
_EXACT: Final = {field: index for index, field in reversed(list(enumerate(_STATIC, 1)))}
_NAMED: Final = {name: index for index, (name, _) in reversed(list(enumerate(_STATIC, 1)))}
_SECRET: Final = frozenset({b"authorization", b"cookie", b"api-key", b"x-api-key"})
"""Written as never indexed, so that no later hop compresses them beside guesses."""
_CACHED_BLOCK: Final = 1024
"""Bytes; larger blocks are read each time, so that the caches stay below some megabytes."""
_ENTRY: Final = 32
"""Bytes that a field counts beyond its name and value (RFC 9113, 6.5.2)."""
_EMPTY_TABLE: Final = b"\x20"
"""The instruction "my table has size 0"."""
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE: Final = re.compile(rb"(?:[^\0\r\n \t](?:[^\0\r\n]*[^\0\r\n \t])?)?")
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+\-.]*")
_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_ONE_HOP: Final = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_PSEUDO: Final = frozenset({b":method", b":path", b":scheme", b":authority"})
_HOST: Final = frozenset({b":authority", b"host"})
_REQUIRED: Final = frozenset({b":method", b":path", b":scheme"})


class FieldDecoder:
    """A connection's received blocks, each made self-contained. Decodes with a table until the peer's is empty for good."""

    __slots__ = ("_empty", "_late", "_late_size", "_limit", "_table", "_table_size", "acknowledged")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._table = hpack.Decoder(max_header_list_size=limit)
        self._table_size = self._table.header_table_size
        self._empty = False
        self._late: deque[tuple[bytes, int]] = deque()  # additions that the table has not seen yet, and their sizes in it
        self._late_size = 0
        self.acknowledged = False
        """The peer has acknowledged our SETTINGS."""

    def stateless(self, block: bytes) -> bytes:
        """The same fields in a block without a reference to a table. Raises ConnectionFault.

        Where the peer has no table whoever asks for the fields finds out that the block is none.
        """
        if self._empty:
            if block[:1] == _EMPTY_TABLE:
                block = block.lstrip(_EMPTY_TABLE)
            if len(block) > _CACHED_BLOCK and _size(walk(block)) > self._limit:
                raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "the header list is too large")
            return block
        return self._by_table(block)

    def _by_table(self, block: bytes) -> bytes:
        if self.acknowledged and b"\x20" <= block[:1] < b"\x40" and b"\x20" < block.lstrip(_EMPTY_TABLE)[:1] < b"\x40":
            raise ConnectionFault(Code.COMPRESSION_ERROR, "a table larger than our SETTINGS allow")
        alone = _alone(block) if len(block) <= _CACHED_BLOCK else None
        if alone is None or alone.size > self._limit:
            self._catch_up()
            return self._decoded(block)
        if alone.added:
            self._defer(alone.additions, alone.added)
        self._empty = self.acknowledged and self._table_size == 0
        return alone.block

    def _defer(self, additions: bytes, added: int) -> None:
        """The table sees them when it is asked for. Some servers, nginx too, fill a table that they never refer to."""
        self._late.append((additions, added))
        self._late_size += added
        # What came before a whole table's worth of additions is not in the table any more.
        while self._late_size - self._late[0][1] >= self._table_size:
            self._late_size -= self._late.popleft()[1]

    def _catch_up(self) -> None:
        while self._late:
            self._decoded(self._late.popleft()[0])
        self._late_size = 0

    def _decoded(self, block: bytes) -> bytes:
        try:
            headers = self._table.decode(block, raw=True)
        except hpack.OversizedHeaderListError as error:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "the header list is too large") from error
        except hpack.HPACKError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, str(error)) from error
        self._table_size = self._table.header_table_size
        self._empty = self.acknowledged and self._table_size == 0
        return encode([(bytes(name), bytes(value)) for name, value in headers])


class _Alone(NamedTuple):
    """A block that can be read without the table: encoded anew, the size of its list, the fields that it adds to the table."""

    block: bytes
    size: int
    additions: bytes
    added: int


@lru_cache(512)
def _alone(block: bytes) -> _Alone | None:
    """None where it refers to the table, changes its size, or cannot be read."""
    fields, additions, added, at = [], b"", 0, 0
    try:
        while at < len(block):
            end = _extent(block, at)
            if end > len(block) or _index(block, at) > len(_STATIC):
                return None
            fields.append(_field(block[at:end]))
            if block[at] & 0xC0 == 0x40:
                additions += block[at:end]
                added += _size(fields[-1:])
            at = end
    except (IndexError, ConnectionFault):
        return None
    return _Alone(encode(fields), _size(fields), additions, added)


def _index(block: bytes, at: int) -> int:
    """What the field that starts at `at` refers to, 0 for nothing."""
    first = block[at]
    return _integer(block, at, 0x7F if first & 0x80 else 0x3F if first & 0x40 else 0x0F)[0]


def walk(block: bytes) -> Headers:
    """The fields of a self-contained block. Raises ConnectionFault where it is not one."""
    return _walk(block) if len(block) <= _CACHED_BLOCK else _walk.__wrapped__(block)


def encode(headers: list[tuple[bytes, bytes]] | Headers) -> bytes:
    return b"".join([_encoder(name, value)(name, value) for name, value in headers])


def _encoder(name: bytes, value: bytes) -> Callable[[bytes, bytes], bytes]:
    return _encode_field if len(name) + len(value) <= _CACHED_BLOCK else _encode_field.__wrapped__


def _size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) + _ENTRY for name, value in headers)


@lru_cache(2048)
def _walk(block: bytes) -> Headers:
    fields, at = [], 0
    try:
        while at < len(block):
            end = _extent(block, at)
            encoded = block[at:end]
            fields.append(_field(encoded) if end - at <= _CACHED_BLOCK else _field.__wrapped__(encoded))
            at = end
    except IndexError as error:
        raise ConnectionFault(Code.COMPRESSION_ERROR, "a header block is cut short") from error
    return tuple(fields)


def _extent(block: bytes, at: int) -> int:
    """Where the field that starts at `at` ends."""
    first = block[at]
    if first & 0x80:
        return _integer(block, at, 0x7F)[1]
    name, at = _integer(block, at, 0x3F if first & 0x40 else 0x0F)
    return _string(block, at) if name else _string(block, _string(block, at))


def _string(block: bytes, at: int) -> int:
    length, at = _integer(block, at, 0x7F)
    return at + length


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    value, at = block[at] & mask, at + 1
    if value < mask:
        return value, at
    for shift in range(0, 28, 7):
        byte, at = block[at], at + 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ConnectionFault(Code.COMPRESSION_ERROR, "an integer in a header block is too large")


@lru_cache(4096)
def _field(encoded: bytes) -> tuple[bytes, bytes]:
    if encoded[0] & 0xE0 == 0x20:
        raise ConnectionFault(Code.COMPRESSION_ERROR, "a table size inside a header block")
    try:
        ((name, value),) = hpack.Decoder().decode(encoded, raw=True)
    except hpack.HPACKError as error:
        raise ConnectionFault(Code.COMPRESSION_ERROR, str(error)) from error
    return bytes(name), bytes(value)


@lru_cache(4096)
def _encode_field(name: bytes, value: bytes) -> bytes:
    if (name, value) in _EXACT and name not in _SECRET:
        return bytes([0x80 | _EXACT[name, value]])
    form = 0x10 if name in _SECRET else 0x00
    index = _NAMED.get(name, 0)
    head = _encode_integer(index, 0x0F, form)
    return head + (b"" if index else _encode_string(name)) + _encode_string(value)


def _encode_string(text: bytes) -> bytes:
    return _encode_integer(len(text), 0x7F, 0) + text


def _encode_integer(value: int, mask: int, form: int) -> bytes:
    if value < mask:
        return bytes([form | value])
    encoded = bytearray([form | mask])
    value -= mask
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


# ---- what a block means ----


class Malformed(Exception):
    """A message that breaks HTTP's rules though its block can be read."""


def request_head(block: bytes) -> RequestHead:
    """Raises Malformed."""
    return _request_head(block) if len(block) <= _CACHED_BLOCK else _request_head.__wrapped__(block)


def status(block: bytes) -> int:
    """Of a reply's head; 0 where it has none (trailers). Raises Malformed."""
    return _status(block) if len(block) <= _CACHED_BLOCK else _status.__wrapped__(block)


def regular(headers: Headers) -> Headers:
    return tuple(field for field in headers if field[0][:1] != b":")


def check_trailers(block: bytes) -> None:
    """Raises Malformed."""
    if any(name[:1] == b":" for name, _ in walk(block)):
        raise Malformed("a pseudo-header in trailers")
    _check_fields(walk(block))


def rewritten(block: bytes, rewrite: Rewrite) -> bytes:
    """The same request as another upstream is told it."""
    read = _rewritten if len(block) <= _CACHED_BLOCK else _rewritten.__wrapped__
    return read(block, rewrite)


@lru_cache(2048)
def _rewritten(block: bytes, rewrite: Rewrite) -> bytes:
    dropped = rewrite.dropped | (_HOST if rewrite.authority is not None else frozenset())
    kept = [(name, value) for name, value in walk(block) if name not in dropped]
    pseudo = _leading_pseudo(tuple(kept))
    authority = [(b":authority", rewrite.authority)] if rewrite.authority is not None else []
    return encode([*kept[:pseudo], *authority, *kept[pseudo:], *rewrite.added])


@lru_cache(2048)
def _request_head(block: bytes) -> RequestHead:
    headers = walk(block)
    pseudo = dict(headers[: _leading_pseudo(headers)])
    rest = headers[len(pseudo) :]  # holds a pseudo-header, which no field's name may be, where one came late or twice
    if not (_REQUIRED <= pseudo.keys() <= _PSEUDO):
        raise Malformed("pseudo-headers are missing, unknown or repeated")
    _check_fields(rest)
    _check_pseudo(pseudo, [value for name, value in rest if name == b"host"])
    authority = pseudo.get(b":authority") or dict(rest).get(b"host", b"")
    return RequestHead(pseudo[b":method"], pseudo[b":path"], rest, _length(rest), authority)


def _check_pseudo(pseudo: dict[bytes, bytes], hosts: list[bytes]) -> None:
    path, authority = pseudo[b":path"], pseudo.get(b":authority", hosts[0] if hosts else b"")
    if len(hosts) > 1 or hosts not in ([], [authority]):
        raise Malformed("the request names two hosts")
    check = _check_target if len(path) + len(authority) <= _CACHED_BLOCK else _check_target.__wrapped__
    check(pseudo[b":method"], pseudo[b":scheme"], path, authority)


@lru_cache(1024)
def _check_target(method: bytes, scheme: bytes, path: bytes, authority: bytes) -> None:
    if not _METHOD.fullmatch(method) or not _SCHEME.fullmatch(scheme):
        raise Malformed("the method or the scheme is no word")
    try:
        targets.check(method, path, authority)
    except targets.BadTarget as error:
        raise Malformed(str(error)) from error


def _leading_pseudo(headers: Headers) -> int:
    return next((at for at, (name, _) in enumerate(headers) if name[:1] != b":"), len(headers))


def _check_fields(headers: Headers) -> None:
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise Malformed("a field's name or value has a forbidden character")
        if name in _ONE_HOP or (name == b"te" and value != b"trailers"):
            raise Malformed(f"{name.decode()} has no meaning in HTTP/2")


def _length(headers: Headers) -> int | None:
    lengths = {value for name, value in headers if name == b"content-length"}
    if not lengths:
        return None
    if len(lengths) > 1 or not (length := lengths.pop()).isdigit() or len(length) > 18:
        raise Malformed("content-length is no number")
    return int(length)


@lru_cache(2048)
def _status(block: bytes) -> int:
    found = [value for name, value in walk(block) if name == b":status"]
    if not found:
        return 0
    if len(found) > 1 or not re.fullmatch(rb"[1-9][0-9][0-9]", found[0]):
        raise Malformed("a status that is no number")
    return int(found[0])
