from __future__ import annotations

import gzip
import zlib

import pytest

from proxy.errors import Reason, Refused
from proxy.frontends.grpc import Code, failed, framed, message, status_of, succeeded
from proxy.ports import Reply

LIMIT = 1000


def packed(raw: bytes) -> bytes:
    return b"\1" + len(raw).to_bytes(4, "big") + raw


def test_a_message_is_taken_out_of_its_frame() -> None:
    assert message(framed(b"abc"), (), LIMIT) == b"abc"


@pytest.mark.parametrize(("encoding", "compress"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
def test_a_compressed_message_is_read(encoding: bytes, compress: type) -> None:
    assert message(packed(compress(b"abc" * 99)), ((b"grpc-encoding", encoding),), LIMIT) == b"abc" * 99


def test_a_message_that_unfolds_beyond_the_limit_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        message(packed(gzip.compress(b"0" * (LIMIT + 1))), ((b"grpc-encoding", b"gzip"),), LIMIT)
    assert refused.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0",
        framed(b"abc")[:-1],
        framed(b"abc") + b"d",
        packed(b"no gzip"),
        packed(gzip.compress(b"abc", mtime=0)[:-9]),
    ],
)
def test_what_is_no_frame_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        message(body, ((b"grpc-encoding", b"gzip"),), LIMIT)


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(Refused, match="zstd"):
        message(packed(b"x"), ((b"grpc-encoding", b"zstd"),), LIMIT)


def test_a_status_comes_back_with_its_text() -> None:
    assert status_of(failed(Code.UNAVAILABLE, "é %\n down")) == (Code.UNAVAILABLE, "é %\n down")
    assert status_of(succeeded(b"")) == (Code.OK, "")


def test_a_reply_without_a_status_is_unknown() -> None:
    assert status_of(Reply(200, (), b""))[0] is Code.UNKNOWN
    assert status_of(Reply(200, ((b"grpc-status", b"99"),), b""))[0] is Code.UNKNOWN
