"""Handshakes of clients: each takes the newest good certificate, and one that fails is told to the client and to the operator.

Owns: the handshakes under way, counting and naming what was turned away. Not: contexts (tls), connections (listener).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Final, cast
from weakref import WeakSet

from proxy.config import ListenTls
from proxy.net.tls import towards_clients

log = logging.getLogger(__name__)

_QUIET: Final = 60.0
"""Seconds between two lines in the log about the same reason, for one port."""


class Reason(StrEnum):
    """Why a client was turned away before its first request."""

    NO_TLS = "no_tls"
    NOT_TLS_HERE = "tls_on_plain_port"
    NO_CERTIFICATE = "no_certificate"
    BAD_CERTIFICATE = "bad_certificate"
    OURS_REFUSED = "ours_refused"
    VERSION = "version"
    CROWD = "crowd"
    OTHER = "other"


_REASONS: Final = {
    "HTTP_REQUEST": Reason.NO_TLS,
    "HTTPS_PROXY_REQUEST": Reason.NO_TLS,
    "WRONG_VERSION_NUMBER": Reason.NO_TLS,
    "RECORD_LAYER_FAILURE": Reason.NO_TLS,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Reason.NO_CERTIFICATE,
    "CERTIFICATE_VERIFY_FAILED": Reason.BAD_CERTIFICATE,
    "UNSUPPORTED_PROTOCOL": Reason.VERSION,
    "VERSION_TOO_LOW": Reason.VERSION,
}
_WORDS: Final = {
    Reason.NO_TLS: "it does not speak TLS, and this port speaks nothing else",
    Reason.NOT_TLS_HERE: "it speaks TLS, and this port does not: see listen_tls",
    Reason.NO_CERTIFICATE: "it shows no certificate, and listen_tls.client_ca_file asks for one",
    Reason.BAD_CERTIFICATE: "its certificate is not accepted",
    Reason.OURS_REFUSED: "it does not accept our certificate",
    Reason.VERSION: "it speaks only versions of TLS below listen_tls.min_version",
    Reason.CROWD: "as many connections as relay.max_connections allows are open or in their handshake",
    Reason.OTHER: "the handshake failed",
}


class TurnedAway:
    """Of one port. Each reason is logged at most once in _QUIET seconds: a flood of clients is no flood of lines."""

    def __init__(self) -> None:
        self.address = ""
        self.counts: Counter[Reason] = Counter()
        self._told: dict[Reason, float] = {}

    def note(self, reason: Reason, detail: str = "", peer: str = "") -> None:
        self.counts[reason] += 1
        now = asyncio.get_running_loop().time()
        if now >= self._told.get(reason, now):
            self._told[reason] = now + _QUIET
            facts = {"port": self.address, "why": _WORDS[reason], "detail": detail, "client": peer}
            given = {name: fact for name, fact in facts.items() if fact}
            log.warning("a client was turned away", extra=given | {"times": self.counts[reason]})


class Handshake(ssl.SSLObject):
    entrance: Entrance
    outgoing: ssl.MemoryBIO
    failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self.failure is not None:
            raise self.failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            raise
        except ssl.SSLError as error:
            self._failed(error)
        else:
            self.entrance.over(self)

    def _failed(self, error: ssl.SSLError) -> None:
        self.failure = error
        self.entrance.over(self, error)
        if self.outgoing.pending:
            # The event loop ends a failed handshake at once and would throw the alert away. So it is told that the
            # handshake waits, and writes; the client ends the connection when it reads the alert, or time does.
            raise ssl.SSLWantReadError from error
        raise error


class Entrance(ssl.SSLContext):
    """What a port is given as its context. Made by `entrance`."""

    contexts: Callable[[], ssl.SSLContext]
    room: Callable[[], int]
    """Connections that may still be opened."""
    turned_away: TurnedAway
    under_way: WeakSet[Handshake]
    """A client that vanishes is forgotten with its connection."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Called by the event loop for each connection."""
        if len(self.under_way) >= self.room():
            self.turned_away.note(Reason.CROWD)
            raise ssl.SSLError("too many handshakes are under way")
        handshake = cast(Handshake, self.contexts().wrap_bio(incoming, outgoing, server_side=True))
        handshake.entrance, handshake.outgoing = self, outgoing
        self.under_way.add(handshake)
        return handshake

    def over(self, handshake: Handshake, error: ssl.SSLError | None = None) -> None:
        self.under_way.discard(handshake)
        if error is not None:
            self.turned_away.note(_reason(error), getattr(error, "verify_message", "") or error.reason or str(error))


def entrance(tls: ListenTls, room: Callable[[], int], turned_away: TurnedAway) -> Entrance:
    """Raises ConfigError for files that cannot be used."""
    renewed, clock = towards_clients(tls, Handshake), asyncio.get_running_loop().time
    made = Entrance(ssl.PROTOCOL_TLS_SERVER)
    made.contexts = lambda: renewed.at(clock())
    made.room, made.turned_away, made.under_way = room, turned_away, WeakSet()
    return made


def _reason(error: ssl.SSLError) -> Reason:
    said = error.reason or ""
    return _REASONS.get(said) or (Reason.OURS_REFUSED if "_ALERT_" in said else Reason.OTHER)
