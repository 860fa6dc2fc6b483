"""Programs of others that are peers in tests: found on PATH, or built once for all into the repository's `.cache/`.

Owns: building, and the skip with its reason where that cannot be. Not: what they are asked (the tests).
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

CACHE: Final = Path(__file__).parents[3] / ".cache" / "peers"
FOREIGN: Final = Path(__file__).parent / "foreign"
H2SPEC: Final = "v2.2.1+incompatible"
BUILD_SECONDS: Final = 240


def h2spec() -> Path:
    if (found := shutil.which("h2spec")) is not None:
        return Path(found)
    return _built(f"h2spec-{H2SPEC}", "go", _install_h2spec) / "h2spec"


def go_client() -> Path:
    """grpc-go with every form of call."""
    return _built(f"grpc-go-{_digest(FOREIGN / 'go')}", "go", _build_go_client) / "client"


def node_modules() -> Path:
    """With @grpc/grpc-js."""
    if shutil.which("node") is None:
        pytest.skip("needs node")
    return _built(f"grpc-js-{_digest(FOREIGN / 'js', '*.json')}", "npm", _install_node_modules) / "node_modules"


async def output(*command: str | Path, env: Mapping[str, str] | None = None, seconds: float = 60) -> str:
    """What it prints; raises with what it complained of where it fails."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **(env or {})}
    )
    try:
        out, complaints = await asyncio.wait_for(process.communicate(), seconds)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, complaints.decode()
    return out.decode()


def _install_h2spec(into: Path) -> None:
    _run(["go", "install", f"github.com/summerwind/h2spec/cmd/h2spec@{H2SPEC}"], env={"GOBIN": str(into)})


def _build_go_client(into: Path) -> None:
    _run(["go", "build", "-o", str(into / "client"), "."], cwd=FOREIGN / "go")


def _install_node_modules(into: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FOREIGN / "js" / name, into)
    _run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=into)


def _built(name: str, tool: str, build: Callable[[Path], None]) -> Path:
    """The directory that `build` filled, now or in an earlier run."""
    ready = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with _alone(CACHE / f"{name}.lock"):
        if not ready.exists():
            if shutil.which(tool) is None:
                pytest.skip(f"needs {tool} to build {name}")
            begun = CACHE / f"{name}.begun"
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            build(begun)
            begun.rename(ready)
    return ready


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Of all processes that run tests."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: list[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=BUILD_SECONDS
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{command[0]} took longer than {BUILD_SECONDS} s to fetch and build")
    if done.returncode:
        pytest.skip(f"{' '.join(command[:2])} failed: {done.stderr.strip()[-300:]}")


def _digest(directory: Path, pattern: str = "*") -> str:
    files = sorted(path for path in directory.glob(pattern) if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
