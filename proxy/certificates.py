"""The files of TLS: contexts made of them, what they say, and following them when they change on the disk.

Owns: when a file counts as changed, and that what was good stays in use. Not: protocols (net), who is told (control).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from proxy.config import CertificateFiles, ListenTls, TlsConfig
from proxy.errors import ConfigError

LOOK: Final = 1.0
"""Seconds between two looks at the files, at least."""
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
T = TypeVar("T")
State: TypeAlias = tuple[tuple[int, ...] | None, ...]


class Renewed(Generic[T]):
    """What was made of files, for those who ask again each time they need it. The first making may raise ConfigError."""

    def __init__(self, paths: Sequence[Path], make: Callable[[], T]) -> None:
        self._paths = paths
        self._make = make
        self._state = _state(paths)
        self._doubtful = False
        self._next = 0.0
        self.problem = ""
        """Why the files as they are now cannot be used; what was made before is."""
        self.current = make()

    def at(self, now: float) -> T:
        """`now`: of a clock that only goes forward. Reads the disk at most every LOOK seconds."""
        if now >= self._next:
            self._next = now + LOOK
            self.look()
        return self.current

    def look(self) -> bool:
        """Whether `current` or `problem` is another than before."""
        state = _state(self._paths)
        steady, self._state = state == self._state, state
        return self._renew(steady) if self._doubtful or not steady else False

    def _renew(self, steady: bool) -> bool:
        """A certificate and its key are seldom replaced at the same instant: only what stays broken for a look is told."""
        try:
            self.current = self._make()
        except ConfigError as error:
            self._doubtful = not steady
            if steady:
                self.problem = str(error)
            return steady
        self._doubtful, self.problem = False, ""
        return True


def _state(paths: Sequence[Path]) -> State:
    return tuple(_stat(path) for path in paths)


def _stat(path: Path) -> tuple[int, ...] | None:
    # Of what links lead to: Kubernetes renews a mounted secret by exchanging a link to its directory.
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def files(tls: TlsConfig | ListenTls) -> dict[str, Path]:
    """Those that are given, by key."""
    named: dict[str, Path | None] = {"cert_file": tls.cert_file, "key_file": tls.key_file}
    if isinstance(tls, TlsConfig):
        named["ca_file"] = tls.ca_file
    else:
        named |= {f"more.{number}.{key}": path for number, pair in enumerate(tls.more) for key, path in pair}
        named["client_ca_file"] = tls.client_ca_file
    return {key: path for key, path in named.items() if path is not None}


# ---- contexts ----


def server_contexts(tls: ListenTls) -> Iterator[tuple[CertificateFiles, ssl.SSLContext]]:
    """One for each certificate. Raises ConfigError for files that cannot be used."""
    for pair in (tls, *tls.more):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[tls.min_version]
        _load_pair(context, "listen_tls", pair.cert_file, pair.key_file)
        if tls.client_ca_file is not None:
            _load_authorities(context, "listen_tls.client_ca_file", tls.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        yield pair, context


def client_context(tls: TlsConfig) -> ssl.SSLContext:
    """Raises ConfigError for files that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = _VERSIONS[tls.min_version]
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.ca_file is not None:
        _load_authorities(context, "tls.ca_file", tls.ca_file)
    else:
        context.load_default_certs()
    if tls.cert_file is not None and tls.key_file is not None:
        _load_pair(context, "tls", tls.cert_file, tls.key_file)
    return context


def _load_pair(context: ssl.SSLContext, group: str, cert: Path, key: Path) -> None:
    try:
        context.load_cert_chain(cert, key, password=b"")  # without one OpenSSL would ask at the terminal
    except (OSError, ValueError) as error:
        why = _why_not(cert, key) or _told(error)
        raise ConfigError(f"{group}.cert_file", f"{cert} with the key {key} cannot be used: {why}") from error


def _load_authorities(context: ssl.SSLContext, key: str, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as error:
        why = "there is no certificate in it" if isinstance(error, ssl.SSLError) else _told(error)
        raise ConfigError(key, f"{path} cannot be used: {why}") from error


def _why_not(cert: Path, key: Path) -> str:
    """What OpenSSL does not say; empty where this finds nothing either."""
    try:
        shown = x509.load_pem_x509_certificate(cert.read_bytes()).public_key()
    except ValueError:
        return "there is no certificate in it"
    except OSError as error:
        return _told(error)
    try:
        ours = load_pem_private_key(key.read_bytes(), None).public_key()
    except ValueError:
        return "there is no key in it"
    except TypeError:
        return "the key is encrypted, and only one without a passphrase can be read"
    except OSError as error:
        return _told(error)
    return "" if shown == ours else "the key is not the certificate's"


def _told(error: Exception) -> str:
    said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else ""
    return said or str(error)


# ---- what they say ----


@dataclass(frozen=True, slots=True)
class Certificate:
    """What an operator wants to know of a file. Of a chain the first member to end, of authorities the last."""

    key: str
    path: Path
    serial: str
    begins: float
    ends: float
    """Both in seconds since the epoch."""


def certificates(tls: TlsConfig | ListenTls) -> tuple[Certificate, ...]:
    """Of every file that holds some. Raises ConfigError."""
    group = "listen_tls" if isinstance(tls, ListenTls) else "tls"
    return tuple(_certificate(group, key, path) for key, path in files(tls).items() if not key.endswith("key_file"))


def _certificate(group: str, key: str, path: Path) -> Certificate:
    found = read_certificates(f"{group}.{key}", path)
    chosen = (max if key.endswith("ca_file") else min)(found, key=lambda one: one.not_valid_after_utc)
    begins, ends = chosen.not_valid_before_utc.timestamp(), chosen.not_valid_after_utc.timestamp()
    return Certificate(key, path, f"{chosen.serial_number:x}", begins, ends)


def read_certificates(key: str, path: Path) -> list[x509.Certificate]:
    """Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(key, f"{path} cannot be used: {_told(error)}") from error
