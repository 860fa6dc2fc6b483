"""What is on the disk, sealed: nobody reads it, or puts one record in another's place, without the operator's key.

Owns: the keys derived from it, nonces, the proof by which a wrong key is told. Not: which columns are sealed (whoever writes
them). A record that is deleted, or a whole file that is put back to an older state, is not noticed.
"""

from __future__ import annotations

import functools
import itertools
import os
from base64 import b64decode
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from proxy.errors import Broken

_SALT: Final = 16
_COUNTER: Final = 8
_TAG: Final = 16
_STARTS: Final = 64
"""Processes whose records are read back without deriving their keys again."""
_PROOF: Final = b"vecferry 1"


class Seal(Protocol):
    """`place` says where a record belongs; it opens nowhere else. Opening raises Broken."""

    overhead: int
    """Bytes that sealing adds."""

    def close(self, place: bytes, content: bytes) -> bytes:
        """Never twice the same."""

    def open(self, place: bytes, sealed: bytes) -> bytes: ...

    def close_name(self, place: bytes, name: bytes) -> bytes:
        """The same each time, so that it can be looked up."""

    def open_name(self, place: bytes, sealed: bytes) -> bytes: ...

    def proof(self) -> bytes | None:
        """To be kept beside the records."""

    def proven(self, proof: bytes | None) -> bool:
        """Whether this seal made that proof."""


class Plain:
    """No seal."""

    overhead = 0

    def close(self, place: bytes, content: bytes) -> bytes:
        return content

    def open(self, place: bytes, sealed: bytes) -> bytes:
        return sealed

    def close_name(self, place: bytes, name: bytes) -> bytes:
        return name

    def open_name(self, place: bytes, sealed: bytes) -> bytes:
        return sealed

    def proof(self) -> bytes | None:
        return None

    def proven(self, proof: bytes | None) -> bool:
        return proof is None


PLAIN: Final = Plain()


class Aes256:
    """Records with AES-256-GCM, names with AES-256-SIV, from any thread.

    Each process draws a salt of its own and derives its key from it, so that a counter makes nonces which never come twice
    under one key: random ones would be too many for GCM in a long migration.
    """

    overhead = _SALT + _COUNTER + _TAG

    def __init__(self, key: bytes) -> None:
        self._derived = functools.partial(_derived, key)
        self._opener = functools.lru_cache(_STARTS)(self._cipher)
        self._names = AESSIV(self._derived(64, b"", b"names"))
        self._salt = os.urandom(_SALT)
        self._closer = self._cipher(self._salt)
        self._counter = itertools.count()

    def _cipher(self, salt: bytes) -> AESGCM:
        return AESGCM(self._derived(32, salt, b"records"))

    def close(self, place: bytes, content: bytes) -> bytes:
        counter = next(self._counter).to_bytes(_COUNTER)
        return b"".join((self._salt, counter, self._closer.encrypt(_nonce(counter), content, place)))

    def open(self, place: bytes, sealed: bytes) -> bytes:
        salt, counter = sealed[:_SALT], sealed[_SALT : _SALT + _COUNTER]
        if len(sealed) < self.overhead:
            raise _foreign(place)
        try:
            return self._opener(salt).decrypt(_nonce(counter), sealed[_SALT + _COUNTER :], place)
        except InvalidTag as error:
            raise _foreign(place) from error

    def close_name(self, place: bytes, name: bytes) -> bytes:
        return self._names.encrypt(name, [place])

    def open_name(self, place: bytes, sealed: bytes) -> bytes:
        try:
            return self._names.decrypt(sealed, [place])
        except InvalidTag as error:
            raise _foreign(place) from error

    def proof(self) -> bytes | None:
        return self.close_name(b"proof", _PROOF)

    def proven(self, proof: bytes | None) -> bool:
        return proof == self.proof()


def seal_of(key: SecretStr | None) -> Seal:
    """`key`: base64 of 32 bytes, as the settings have checked it."""
    return PLAIN if key is None else Aes256(b64decode(key.get_secret_value()))


def _derived(key: bytes, length: int, salt: bytes, use: bytes) -> bytes:
    return HKDF(SHA256(), length, salt, b"vecferry " + use).derive(key)


def _nonce(counter: bytes) -> bytes:
    return counter.rjust(12, b"\0")


def _foreign(place: bytes) -> Broken:
    return Broken(f"a sealed record is damaged or out of its place ({place.split(b'/')[0].decode()})")
