"""The seal: nothing readable, nothing twice the same, nothing in another's place."""

from __future__ import annotations

import os
from base64 import b64encode
from itertools import pairwise

import pytest
from pydantic import SecretStr

from proxy.errors import Broken
from proxy.store.seal import Aes256, Plain, seal_of

KEY = bytes(range(32))


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(100_000)])
def test_what_is_sealed_opens_in_its_place_in_any_later_process(content: bytes) -> None:
    sealed = Aes256(KEY).close(b"here", content)
    assert Aes256(KEY).open(b"here", sealed) == content
    assert len(sealed) == len(content) + Aes256.overhead


@pytest.mark.parametrize("seal", [Aes256(KEY), Aes256(bytes(32))], ids=["elsewhere", "another key"])
def test_what_is_sealed_opens_nowhere_else(seal: Aes256) -> None:
    sealed = Aes256(KEY).close(b"here", b"secret"), Aes256(KEY).close_name(b"here", b"secret")
    with pytest.raises(Broken, match="there"):
        seal.open(b"there/7", sealed[0])
    with pytest.raises(Broken, match="there"):
        seal.open_name(b"there/7", sealed[1])


def test_any_changed_byte_is_noticed() -> None:
    seal = Aes256(KEY)
    sealed = seal.close(b"here", b"secret")
    for at in range(len(sealed)):
        with pytest.raises(Broken):
            seal.open(b"here", sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
    with pytest.raises(Broken):
        seal.open(b"here", sealed[:10])


def test_no_nonce_comes_twice() -> None:
    seals = [Aes256(KEY) for _ in range(3)]
    sealed = sorted(seal.close(b"here", b"secret") for seal in seals for _ in range(1000))
    assert all(one[:24] != other[:24] for one, other in pairwise(sealed))


def test_a_name_is_the_same_each_time_and_unreadable() -> None:
    one, other = Aes256(KEY), Aes256(KEY)
    assert one.close_name(b"dirty", b"name") == other.close_name(b"dirty", b"name")
    assert one.close_name(b"dirty", b"name") != one.close_name(b"parked", b"name")
    assert b"name" not in one.close_name(b"dirty", b"name")
    assert other.open_name(b"dirty", one.close_name(b"dirty", b"name")) == b"name"


def test_a_proof_tells_the_key_that_made_it() -> None:
    proof = Aes256(KEY).proof()
    assert Aes256(KEY).proven(proof)
    assert not Aes256(bytes(32)).proven(proof)
    assert not Plain().proven(proof)
    assert not Aes256(KEY).proven(None)


def test_the_settings_say_which_seal() -> None:
    assert isinstance(seal_of(None), Plain)
    assert seal_of(SecretStr(b64encode(KEY).decode())).proven(Aes256(KEY).proof())
