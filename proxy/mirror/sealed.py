"""The journal's rows, sealed and opened again; and whether the key fits the journal.

Owns: which columns are sealed, and what binds each to its row. Not: the seal itself (store.seal), SQL (tables), what a
record holds (record).
"""

from __future__ import annotations

import logging
import sqlite3
from typing import Final

from proxy.errors import ConfigError
from proxy.mirror import tables
from proxy.mirror.record import Intent, decode_head, decode_key, decode_reply, encode_head, encode_key, encode_reply
from proxy.mirror.tables import Row
from proxy.model.point import Key
from proxy.ports import Reply
from proxy.store.seal import PLAIN, Seal

log = logging.getLogger(__name__)

DIRTY: Final = b"dirty"
RECHECKS: Final = b"rechecks"
PARKED: Final = b"parked"


class Rows:
    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self.overhead = seal.overhead
        """Bytes that a stored body is larger than what it holds."""

    # ---- entries, bound to their number ----

    def entry(self, seq: int, intent: Intent) -> Row:
        body = b"" if intent.keys_only else intent.request.body
        head = self._seal.close(_numbered(b"head", seq), encode_head(intent))
        return seq, head, self._seal.close(_numbered(b"body", seq), body)

    def intent(self, seq: int, head: bytes, body: bytes) -> Intent:
        opened = self._seal.open(_numbered(b"head", seq), head)
        return decode_head(opened, self._seal.open(_numbered(b"body", seq), body))

    def reply(self, seq: int, reply: Reply | None) -> bytes | None:
        return None if reply is None else self._seal.close(_numbered(b"reply", seq), encode_reply(reply))

    def opened_reply(self, seq: int, blob: bytes | None) -> Reply | None:
        return None if blob is None else decode_reply(self._seal.open(_numbered(b"reply", seq), blob))

    # ---- keys, bound to their table, and what is said of each, bound to the key ----

    def key(self, table: bytes, key: Key) -> bytes:
        return self._seal.close_name(table, encode_key(key))

    def opened_key(self, table: bytes, sealed: bytes) -> Key:
        return decode_key(self._seal.open_name(table, sealed))

    def text(self, table: bytes, sealed_key: bytes, text: str) -> bytes:
        return self._seal.close(_of_key(table, sealed_key), text.encode())

    def opened_text(self, table: bytes, sealed_key: bytes, text: bytes) -> str:
        return self._seal.open(_of_key(table, sealed_key), text).decode()

    def mark(self, table: bytes, key: Key, why: str) -> Row:
        sealed = self.key(table, key)
        return sealed, self.text(table, sealed, why)


PLAIN_ROWS: Final = Rows(PLAIN)


def _numbered(column: bytes, seq: int) -> bytes:
    return column + b"/" + seq.to_bytes(8)


def _of_key(table: bytes, sealed_key: bytes) -> bytes:
    return table + b"/" + sealed_key


def check_key(db: sqlite3.Connection, seal: Seal) -> None:
    """An empty journal takes any key: that is how a key is changed. Raises ConfigError where it holds records of another."""
    proof = tables.proof(db)
    if seal.proven(proof):
        return
    if tables.holds_any(db):
        raise ConfigError("journal.key", f"{_misfit(proof, seal.proof())}; {_CHANGE}")
    tables.prove(db, seal.proof())
    log.info("the journal is empty and takes the key of the settings", extra={"sealed": seal.proof() is not None})


_CHANGE: Final = (
    "to change it, let the journal run empty under the key that it has (`vecferry status`: no entries, dirty, lingering or "
    "parked keys), stop, and start with the other"
)


def _misfit(of_journal: bytes | None, of_settings: bytes | None) -> str:
    if of_journal is None:
        return "the journal holds records that were written without a key, so start without one"
    if of_settings is None:
        return "the journal is sealed, so give the key that it was written with"
    return "the journal is sealed with another key, so give that one"
