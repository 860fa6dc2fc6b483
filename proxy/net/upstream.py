"""One port of one side, as the relay reaches it. Owns: its pools, one for each protocol. Not: their work (pool)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from proxy.config import RelayConfig, TlsConfig
from proxy.errors import ConfigError
from proxy.net.ends import Connections, Rewrite, Version
from proxy.net.owned import Owned
from proxy.net.pool import Http1Pool, Http2Pool, Pool, Port
from proxy.net.tls import towards_side
from proxy.ports import Headers

_PORTS = {"http": 80, "https": 443, "unix": 0}
_PLAIN: Headers = ((b"accept-encoding", b"identity"),)


@dataclass(frozen=True, slots=True)
class UpstreamStats:
    """For telemetry and health."""

    connections: dict[Version, int]
    waiting: int
    """Exchanges that wait for a connection."""
    dials: int
    problem: str | None
    """Why the last dial failed; None where it did not."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Ours in place of the client's: `names` are the fields, in lower case, in which clients show theirs."""

    names: frozenset[bytes] = frozenset()
    shown: Mapping[Version, Headers] = field(default_factory=dict)


KEPT = Credentials()
"""The client's go on."""


class Upstream:
    """ports.Upstream. Made inside the running loop. HTTP/2 with prior knowledge over http, by ALPN over https."""

    def __init__(
        self,
        name: str,
        url: str,
        tls: TlsConfig,
        relay: RelayConfig,
        *,
        credentials: Credentials = KEPT,
        rewrite_host: bool | None = None,
        readable: bool = False,
    ) -> None:
        """`url`: http, https, or unix:/path of a socket.

        `rewrite_host`: requests name the upstream's host instead of the client's; None: over https only.
        `readable`: replies are asked for without compression, whatever the client takes.

        Raises ConfigError for a URL or TLS files that cannot be used.
        """
        parts = urlsplit(url)
        host = parts.path if parts.scheme == "unix" else parts.hostname
        if parts.scheme not in _PORTS or not host:
            raise ConfigError(name, f"{url!r} is not like http://host:port")
        secure = parts.scheme == "https"
        authority = parts.netloc.encode() if (secure if rewrite_host is None else rewrite_host) else None
        self._name = name
        self.first_byte_timeout = relay.first_byte_timeout
        self._tasks = Owned()
        self._pools: dict[Version, Pool] = {}
        self.connections: Mapping[Version, Connections] = self._pools
        """Asked for by each request, so that it passes through nothing of ours that is not compiled."""
        for version, pool in ((Version.HTTP1, Http1Pool), (Version.HTTP2, Http2Pool)):
            port = Port(
                name,
                host,
                parts.port or _PORTS[parts.scheme],
                towards_side(tls, version) if secure else None,
                tls.server_name or parts.hostname,
                _rewrite(authority, credentials, version, _PLAIN if readable else ()),
                relay,
            )
            self._pools[version] = pool(port, self._tasks)

    @property
    def name(self) -> str:
        return self._name

    def stats(self) -> UpstreamStats:
        pools = self._pools.values()
        return UpstreamStats(
            {version: pool.open_connections for version, pool in self._pools.items()},
            sum(pool.waiting for pool in pools),
            sum(pool.dials for pool in pools),
            next((pool.problem for pool in pools if pool.problem is not None), None),
        )

    async def close(self) -> None:
        """Ends every connection; what waits or is under way fails."""
        for pool in self._pools.values():
            pool.close()
        await self._tasks.close()


def _rewrite(authority: bytes | None, credentials: Credentials, version: Version, instead: Headers) -> Rewrite | None:
    """`instead`: fields in place of those of the same name."""
    dropped = credentials.names | {name for name, _ in instead}
    rewrite = Rewrite(authority, frozenset(dropped), (*credentials.shown.get(version, ()), *instead))
    return None if rewrite == Rewrite() else rewrite
