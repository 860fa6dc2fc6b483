"""Environments with other versions of pymilvus, and scripts that run in them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tests import environments

SCRIPT: Final = Path(__file__).parent / "calls.py"
OTHERS: Final = ("2.4.15", "2.5.18", "2.6.17")
OURS: Final = "3.0.2"
RUN_SECONDS: Final = 180


def python(version: str) -> Path:
    """The interpreter that has this version of pymilvus. Raises NoClient with pip's own words."""
    if version == OURS:
        return Path(sys.executable)
    # 2.4 and 2.5 import pkg_resources, which setuptools 81 has no more.
    return environments.python(f"pymilvus-{version}", f"pymilvus=={version}", "setuptools<81")


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
