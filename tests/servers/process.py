"""For child processes that must not outlive the one that started them, however that ends."""

from __future__ import annotations

import ctypes
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """As `preexec_fn`: the kernel kills the child when the thread that started it ends (so start it from the main thread)."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
