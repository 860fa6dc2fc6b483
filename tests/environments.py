"""Environments with clients that are not ours, each made once: Python's below `.venvs/`, Node's below `.cache/`.

Safe over several test processes: who comes second waits, then finds it made.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PYTHONS: Final = ROOT / ".venvs"
NODES: Final = ROOT / ".cache" / "node"
INSTALL_SECONDS: Final = 900


class NoClient(Exception):
    """The environment cannot be made here; the text says why, in the installer's own words."""


def python(name: str, *requirements: str) -> Path:
    """The interpreter of the environment `name`. What pip takes: packages, options. Raises NoClient."""
    with _to_be_made(PYTHONS / name, requirements) as folder:
        if folder is not None:
            venv.create(folder, clear=True)
            # Our own pip, and only what is imported is compiled: a third of the time.
            pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--quiet", "--disable-pip-version-check"]
            _install([*pip, "install", "--no-compile", *requirements], folder)
    return PYTHONS / name / "bin" / "python"


def node(name: str, *requirements: str) -> Path:
    """The folder from which programs import these packages. Raises NoClient."""
    if missing := [program for program in ("node", "npm") if shutil.which(program) is None]:
        raise NoClient(f"no {' and no '.join(missing)} on this machine")
    with _to_be_made(NODES / name, requirements) as folder:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "package.json").write_text("{}")
            # What a package wants beside it for other uses (here: the TypeScript compiler) would be ten times its size.
            _install(["npm", "install", "--no-audit", "--no-fund", "--omit=peer", "--save-exact", *requirements], folder)
    return NODES / name


@contextmanager
def _to_be_made(folder: Path, requirements: Sequence[str]) -> Iterator[Path | None]:
    """None where it is there already, whole, and of these requirements."""
    ready, wanted = folder / "ready", "\n".join(requirements)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ready.exists() and ready.read_text() == wanted:
            yield None
        else:
            yield folder
            ready.write_text(wanted)


def _install(command: list[str | Path], folder: Path) -> None:
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    if made.returncode:
        raise NoClient(f"{folder.name} does not install here: {made.stderr[-500:]}")
