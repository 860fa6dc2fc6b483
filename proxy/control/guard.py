"""Keeps a fault of ours beside the client's path from taking the application's database away."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from proxy.control.operator import Standing

log = logging.getLogger(__name__)


async def guarded(name: str, work: Awaitable[None], standing: Standing) -> None:
    """Relaying and journaling go on when `work` fails; the status tells, and no change of primary is made until a restart."""
    try:
        await work
    except Exception as fault:
        log.critical("a part was stopped by a fault of ours: restart the sidecar", exc_info=fault, extra={"part": name})
        standing.faults[name] = f"{type(fault).__name__}: {fault}"
