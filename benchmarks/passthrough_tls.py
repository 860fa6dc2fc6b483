"""A sidecar that relays everything, with TLS on some ports: `passthrough_tls.py PORT=URL=tls PORT=URL=plain ...`."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from proxy.config import ListenTls, RelayConfig, TlsConfig
from proxy.net.listener import listen
from proxy.net.upstream import Upstream
from proxy.ports import Exchange, RelayTo


class Everything:
    def __init__(self, upstream: Upstream) -> None:
        self._to = RelayTo(upstream)

    def begin(self, exchange: Exchange, role: str) -> None:
        exchange.relay(self._to)


async def serve(routes: list[str]) -> None:
    settings = RelayConfig()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    for route in routes:
        port, url, how = route.split("=")
        tls = ListenTls(cert_file=Path("cert.pem"), key_file=Path("key.pem")) if how == "tls" else None
        upstream = Upstream("upstream", url, TlsConfig(), settings)
        await listen(f"127.0.0.1:{port}", "any", Everything(upstream), settings, tls, 2**26)
    await stop.wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1:]))
