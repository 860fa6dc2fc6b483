"""How much freed memory the process keeps for its next reads, and what the garbage collector leaves alone.

Owns: glibc's settings (elsewhere nothing is changed), the collector's.
"""

from __future__ import annotations

import ctypes
import gc
import logging
from collections.abc import Mapping
from typing import Final

log = logging.getLogger(__name__)

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # malloc.h
KEPT: Final[Mapping[int, int]] = {_TRIM_THRESHOLD: 2**25, _TOP_PAD: 2**20, _MMAP_THRESHOLD: 2**21}
"""Bytes. A read is up to 256 KB and lives for as long as it takes to write it. By default its pages come from the kernel
and go back each time, which costs a third of what relaying it does."""


def keep_freed_memory() -> None:
    """Once, before the first read."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library than glibc
        return
    for option, size in KEPT.items():
        if not mallopt(option, size):
            log.warning("the allocator refuses a setting", extra={"option": option, "size": size})


def spare_what_stays() -> None:
    """Once everything is loaded and built, before clients are served.

    A full collection goes through all that there is: with the modules of the SDKs 200,000 objects and a tenth of a second or
    more in which no request moves.
    """
    gc.freeze()
