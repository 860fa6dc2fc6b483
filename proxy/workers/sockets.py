"""The core's sockets in the state directory, through which workers bring it what they may not relay by themselves."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

PATH_LIMIT: Final = 107
"""Bytes of a socket's path; the system's own limit."""
_SUFFIX: Final = ".sock"


def name_of(core: str, purpose: str, role: str) -> str:
    """`core`: tells the sockets of two processes apart, for at a takeover both live in the directory."""
    return f"{purpose}-{role}-{core}{_SUFFIX}"


def reach(directory: Path, name: str) -> str:
    """A path to it that is short enough, however deep the directory lies."""
    path = str(directory.absolute() / name)
    return path if len(os.fsencode(path)) <= PATH_LIMIT else f"/proc/self/fd/{_opened(directory)}/{name}"


@functools.cache
def _opened(directory: Path) -> int:
    return os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def remove_others(directory: Path, ours: Collection[str]) -> None:
    """What killed processes left. To be called by the owner of the state, when no other lives."""
    for path in directory.glob(f"*{_SUFFIX}"):
        if path.name not in ours:
            path.unlink(missing_ok=True)
