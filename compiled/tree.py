"""A compiled copy of the package as the sources are now, kept under .cache/compiled until they change.

Whoever has it first on PYTHONPATH runs it: benchmarks and tests, the checkout never.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

from compiled.build import ROOT, impossible

KEPT: Final = ROOT / ".cache" / "compiled"


def tree(*, quick: bool) -> Path:
    """`quick`: made in less time, of slower code. Raises RuntimeError where it cannot be made, and says why."""
    if (why := impossible()) is not None:
        raise RuntimeError(why)
    kept = KEPT / f"{'quick' if quick else 'whole'}-{_digest()}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of one test run ask for it at the same time
        if not kept.is_dir():
            _make(kept, quick)
    return kept


def _make(kept: Path, quick: bool) -> None:
    for old in KEPT.glob(f"{kept.name.partition('-')[0]}-*"):
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        command = [sys.executable, str(ROOT / "compiled" / "build.py"), folder, *(["--quick"] if quick else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the relay was not compiled:\n{(done.stdout + done.stderr)[-3000:]}")
        shutil.copytree(folder, kept)


def _digest() -> str:
    found = hashlib.sha256(f"{sys.version} {version('mypy')}".encode())
    for path in sorted([*ROOT.glob("proxy/**/*.py"), *ROOT.glob("compiled/*.py")]):
        found.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return found.hexdigest()[:16]
