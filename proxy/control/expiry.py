"""Follows the files of TLS for the operator: what cannot be used, and what will end.

Owns: what is said of them in log, status and metrics. Not: using them (net and backends look for themselves, by the same rule).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from proxy.certificates import LOOK, Certificate, Renewed, certificates, client_context, files, server_contexts
from proxy.config import Config, ListenTls, TlsConfig
from proxy.errors import ConfigError
from proxy.ports import Clock
from proxy.telemetry import metrics

log = logging.getLogger(__name__)

SOON: Final = 14 * 86400.0
"""Seconds before its end from which a certificate is warned of; or a sixth of its life, where that is less."""
_SHARE: Final = 1 / 6


class Expiry:
    def __init__(self, config: Config, clock: Clock) -> None:
        """Raises ConfigError for files that cannot be used."""
        self._clock = clock
        self._watched = {name: _watch(name, tls) for name, tls in _groups(config).items()}

    async def run(self) -> None:
        while True:
            await self._clock.sleep(LOOK)
            await asyncio.to_thread(self._look)

    def _look(self) -> None:
        for name, watched in self._watched.items():
            if watched.look():
                _tell(name, watched)

    def documents(self) -> list[dict[str, Any]]:
        """A row for each file with certificates; `warning` is empty where all is well."""
        return [
            {
                "file": f"{name}.{found.key}",
                "path": str(found.path),
                "serial": found.serial,
                "expires_in": round(found.ends - self._clock.now()),
                "warning": _warning(watched.problem, found, self._clock.now()),
            }
            for name, watched in self._watched.items()
            for found in watched.current
        ]

    def gauge(self) -> None:
        for name, watched in self._watched.items():
            metrics.CERTIFICATE_BROKEN.labels(name).set(bool(watched.problem))
            for found in watched.current:
                metrics.CERTIFICATE_EXPIRES.labels(f"{name}.{found.key}").set(found.ends - self._clock.now())


def _groups(config: Config) -> Mapping[str, TlsConfig | ListenTls]:
    """Those with files, by their place in the settings."""
    given: dict[str, TlsConfig | ListenTls | None] = {
        "listen_tls": config.listen_tls,
        "source.tls": config.source.tls,
        "target.tls": config.target.tls if config.target is not None else None,
    }
    return {name: tls for name, tls in given.items() if tls is not None and files(tls)}


def _watch(name: str, tls: TlsConfig | ListenTls) -> Renewed[tuple[Certificate, ...]]:
    def look() -> tuple[Certificate, ...]:
        try:
            return _usable(tls)
        except ConfigError as error:
            # A side knows its own settings only; the operator knows them by the place's.
            key, said = error.path.partition("tls")[2], str(error).removeprefix(f"{error.path}: ")
            raise ConfigError(f"{name}{key}", said) from error

    return Renewed(list(files(tls).values()), look)


def _usable(tls: TlsConfig | ListenTls) -> tuple[Certificate, ...]:
    if isinstance(tls, ListenTls):
        list(server_contexts(tls))
    else:
        client_context(tls)
    return certificates(tls)


def _tell(name: str, watched: Renewed[tuple[Certificate, ...]]) -> None:
    if watched.problem:
        log.error("TLS files cannot be used: those of before stay in use", extra={"files": name, "why": watched.problem})
    else:
        serials = {found.key: found.serial for found in watched.current}
        log.info("TLS files were renewed", extra={"files": name, "serials": serials})


def _warning(problem: str, found: Certificate, now: float) -> str:
    if problem:
        return f"the files were replaced by some that cannot be used, so those of before stay in use: {problem}"
    left = found.ends - now
    if left <= 0:
        return f"expired {_days(-left)} ago"
    return f"ends in {_days(left)}" if left < min(SOON, _SHARE * (found.ends - found.begins)) else ""


def _days(seconds: float) -> str:
    return f"{seconds / 86400:.0f} days" if seconds >= 2 * 86400 else f"{seconds / 3600:.1f} hours"
