"""A real sidecar in phase passthrough, without a target, before a source of any product."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from demo.servers import free_port
from tests.servers.sidecar import Sidecar


class Passthrough(Sidecar):
    """`with Passthrough(folder, {"product": ..., "url": ...}, roles) as sidecar`; `sidecar.ports` by role.

    `spread`: ports of the role `data`.
    """

    def __init__(
        self, folder: Path, source: dict[str, Any], roles: tuple[str, ...], *, spread: int = 1, **settings: Any
    ) -> None:
        super().__init__(folder, source.get("url", ""), None, **settings)
        self.ports = {role: free_port() if role != "data" else _free_ports(spread) for role in roles}
        self.settings["source"] = source
        self.settings["listen"] = {role: f"127.0.0.1:{port}" for role, port in self.ports.items()}
        if spread > 1:
            self.settings["listen"]["data"] += f"-{self.ports['data'] + spread - 1}"

    def at(self, role: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.ports[role]}"


def _free_ports(count: int) -> int:
    """The first of so many that are free side by side."""
    while True:
        first = free_port()
        if first + count < 2**16 and all(map(_free, range(first, first + count))):
            return first


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
