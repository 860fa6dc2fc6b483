"""Blocks of a peer that keeps a header table: read as hpack reads them, though the table sees most of them late or never."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.net.http2.fields import FieldDecoder, encode
from proxy.net.http2.frames import ConnectionFault

LIMIT = 2**14
names = st.sampled_from([b"server", b"date", b"x-own", b"content-type", b"etag"])
others = st.binary(max_size=30).map(lambda octets: octets.hex().encode())
values = st.one_of(st.sampled_from([b"a", b"nginx", b"v" * 900]), others)
lists = st.lists(st.tuples(names, values), min_size=1, max_size=8)


@given(blocks=st.lists(st.tuples(lists, st.booleans()), min_size=1, max_size=40))
@settings(deadline=None, max_examples=50)
def test_whatever_a_peer_refers_to_is_what_it_added(blocks):
    """The first flag decides whether the peer uses its table, or only fills it."""
    encoder, decoder = hpack.Encoder(), FieldDecoder(LIMIT)
    for fields, refers in blocks:
        wire = encoder.encode(fields) if refers else _filling(encoder, fields)
        assert decoder.stateless(wire) == encode(fields)


def _filling(encoder: hpack.Encoder, fields: list[tuple[bytes, bytes]]) -> bytes:
    """Adds each field to the table and refers to nothing, as nginx does."""
    wire = b""
    for name, value in fields:
        wire += b"\x40" + bytes([len(name)]) + name + hpack.hpack.encode_integer(len(value), 7) + value
        encoder.header_table.add(name, value)
    return wire


def test_a_block_that_only_fills_the_table_is_not_given_to_it():
    decoder, encoder = FieldDecoder(LIMIT), hpack.Encoder()
    for number in range(1000):
        decoder.stateless(_filling(encoder, [(b"x-own", b"%d" % number)]))
    assert sum(len(additions) for additions, _ in decoder._late) < 4096 + 100
    assert not decoder._table.header_table.dynamic_entries


def test_a_reference_to_what_was_never_added_is_a_fault():
    decoder = FieldDecoder(LIMIT)
    decoder.stateless(_filling(hpack.Encoder(), [(b"x-own", b"1")]))
    with pytest.raises(ConnectionFault):
        decoder.stateless(b"\xbf")  # the second entry


def test_a_list_larger_than_the_limit_is_refused():
    with pytest.raises(ConnectionFault, match="too large"):
        FieldDecoder(100).stateless(_filling(hpack.Encoder(), [(b"x-own", b"v" * 90)]))


@pytest.mark.parametrize("wire", [b"\x40", b"\x40\x03ab", b"\x41\x05abc", b"\x3f"])
def test_a_block_that_is_cut_short_is_a_fault(wire):
    with pytest.raises(ConnectionFault):
        FieldDecoder(LIMIT).stateless(wire)
