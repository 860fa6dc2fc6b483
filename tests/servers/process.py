"""For child processes that must not outlive the one that started them, however that ends."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LAST_WILL: Final = Path(__file__).with_name("last_will.py")


def dying_with_parent(command: Sequence[str | Path]) -> list[str]:
    """The kernel kills it when the thread that starts it ends (so start it from the main thread).

    A program of its own says so: work between fork and exec (`preexec_fn`) hangs now and then where other threads run.
    """
    return [sys.executable, "-I", "-S", str(_LAST_WILL), *map(str, command)]


def die_with_parent() -> None:
    """The same for a child that was forked and goes on without a program of its own."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
