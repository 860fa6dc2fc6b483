"""Environments with other client versions, made once with pip below `.venvs/`, and scripts that run in them."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import venv
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
ENVIRONMENTS: Final = ROOT / ".venvs"
SCRIPT: Final = Path(__file__).parent / "calls.py"
OTHERS: Final = ("2.4.15", "2.5.18", "2.6.17")
OURS: Final = "3.0.2"
INSTALL_SECONDS: Final = 600
RUN_SECONDS: Final = 180


class NoClient(Exception):
    """The environment cannot be made here."""


def python(version: str) -> Path:
    """The interpreter that has this version of pymilvus. Raises NoClient with pip's own words."""
    if version == OURS:
        return Path(sys.executable)
    folder = ENVIRONMENTS / f"pymilvus-{version}"
    ENVIRONMENTS.mkdir(exist_ok=True)
    with (ENVIRONMENTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            _make(folder, version)
    return folder / "bin" / "python"


def _make(folder: Path, version: str) -> None:
    venv.create(folder, with_pip=True, clear=True)
    # 2.4 and 2.5 import pkg_resources, which setuptools 81 has no more.
    command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", f"pymilvus=={version}", "setuptools<81"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    if made.returncode:
        raise NoClient(f"pymilvus {version} does not install here: {made.stderr[-500:]}")
    (folder / "ready").touch()


def run_all(versions: Collection[str], url: str, suffix: str) -> Mapping[str, dict[str, Any]]:
    """What each version saw of a collection of its own, all at the same time. Raises RuntimeError where one died."""
    with ThreadPoolExecutor(len(versions)) as pool:
        return dict(zip(versions, pool.map(lambda version: _run(version, url, suffix), versions), strict=True))


def _run(version: str, url: str, suffix: str) -> dict[str, Any]:
    command = [python(version), "-W", "ignore", SCRIPT, url, f"v{version.replace('.', '_')}_{suffix}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS)
    if ran.returncode:
        raise RuntimeError(f"the script of pymilvus {version} ended with {ran.returncode}: {ran.stderr[-2000:]}")
    saw: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return saw
