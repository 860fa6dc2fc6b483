"""A real sidecar in phase passthrough, without a target, before a source of any product."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Any

from tests.servers.sidecar import Sidecar


class Passthrough(Sidecar):
    """`with Passthrough(folder, {"product": ..., "url": ...}, roles) as sidecar`; `sidecar.ports` by role.

    `spread`: ports of the role `data`.
    """

    def __init__(
        self, folder: Path, source: dict[str, Any], roles: tuple[str, ...], *, spread: int = 1, **settings: Any
    ) -> None:
        super().__init__(folder, source.get("url", ""), None, **settings)
        self.ports = {role: _free_ports(spread if role == "data" else 1) for role in roles}
        self.settings["source"] = source
        self.settings["listen"] = {role: f"127.0.0.1:{port}" for role, port in self.ports.items()}
        if spread > 1:
            self.settings["listen"]["data"] += f"-{self.ports['data'] + spread - 1}"

    def at(self, role: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.ports[role]}"


def _free_ports(count: int) -> int:
    """The first of so many that are free side by side, below those that the kernel gives to connections meanwhile."""
    while True:
        first = random.randrange(10_000, 32_000)
        if all(map(_free, range(first, first + count))):
            return first


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
