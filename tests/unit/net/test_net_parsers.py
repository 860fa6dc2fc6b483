"""The parsers on their own: any bytes, in any portions."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.net.http1 import heads
from proxy.net.http1.bodies import BadBody, Chunks
from proxy.net.http2 import fields
from proxy.net.http2.fields import FieldDecoder
from proxy.net.http2.frames import ConnectionFault

NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20).map(str.encode)
VALUES = st.binary(max_size=300)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=20)


def fresh() -> FieldDecoder:
    return FieldDecoder(2**16)


@given(HEADERS)
def test_what_we_encode_is_what_the_library_reads(headers):
    found = hpack.Decoder().decode(fields.encode(headers), raw=True)
    assert [(bytes(name), bytes(value)) for name, value in found] == headers


@given(HEADERS)
def test_what_the_library_encodes_without_a_table_is_what_we_read(headers):
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    block = encoder.encode(headers).lstrip(b"\x20")
    assert list(fields.walk(block)) == headers


@given(st.lists(HEADERS, min_size=1, max_size=6))
def test_a_peer_with_a_table_is_read_block_by_block_and_needs_none_afterwards(blocks):
    encoder, decoder = hpack.Encoder(), fresh()
    for headers in blocks:
        assert list(fields.walk(decoder.stateless(encoder.encode(headers)))) == headers


@given(st.lists(HEADERS, min_size=2, max_size=6))
def test_a_peer_that_empties_its_table_is_read_before_and_after(blocks):
    encoder, decoder = hpack.Encoder(), fresh()
    for at, headers in enumerate(blocks):
        if at == 1:
            decoder.acknowledged = True
            encoder.header_table_size = 0
        assert list(fields.walk(decoder.stateless(encoder.encode(headers)))) == headers


def test_a_block_goes_on_verbatim_once_the_table_is_empty():
    encoder, decoder = hpack.Encoder(), fresh()
    encoder.header_table_size = 0
    decoder.acknowledged = True
    decoder.stateless(encoder.encode([(b"a", b"b")]))
    block = encoder.encode([(b"x-own", b"value")])
    assert decoder.stateless(block) is block


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_the_library_reads_them_or_refused(block):
    try:
        ours = list(fields.walk(block))
    except ConnectionFault:
        return
    decoder = hpack.Decoder()
    decoder.header_table.maxsize = 0
    assert [(bytes(n), bytes(v)) for n, v in decoder.decode(block, raw=True)] == ours


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_head_or_malformed(block):
    try:
        fields.request_head(block)
    except (ConnectionFault, fields.Malformed):
        return


@given(st.binary(max_size=300))
def test_any_bytes_are_an_http_1_head_or_refused(wire):
    try:
        found = heads.request(wire)
    except heads.BadHead:
        return
    assert found.wire.endswith(heads.END)


def chunked(contents: list[bytes]) -> bytes:
    return b"".join(b"%x;e\r\n%s\r\n" % (len(c), c) for c in contents) + b"0\r\nX-T: 1\r\n\r\n"


@given(
    st.lists(st.binary(min_size=1, max_size=50), max_size=8),
    st.lists(st.integers(1, 40), min_size=1, max_size=30),
    st.binary(max_size=9),
)
def test_a_chunked_body_ends_where_it_ends_in_whatever_portions_it_comes(contents, portions, behind):
    wire, chunks, rest, content, used = chunked(contents) + behind, Chunks(1000), b"", b"", 0
    end, turn = False, 0
    while not end:
        size = portions[turn % len(portions)]
        turn += 1
        rest, wire = rest + wire[:size], wire[size:]
        part = chunks.read(rest)
        rest, content, used, end = rest[part.used :], content + part.content, used + part.used, part.end
    assert (content, used) == (b"".join(contents), len(chunked(contents)))
    assert rest + wire == behind


@given(st.binary(max_size=200))
def test_any_bytes_are_a_chunked_body_or_refused(wire):
    try:
        part = Chunks(1000).read(wire)
    except BadBody:
        return
    assert part.used <= len(wire)


def test_endless_trailers_are_refused():
    chunks = Chunks(1000)
    with pytest.raises(BadBody, match="too long"):
        chunks.read(b"0\r\n" + b"X: y\r\n" * 500)
