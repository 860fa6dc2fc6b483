"""How far a migration has come."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """A row of the routing table; docs/cutover.md tells what each one does."""

    PASSTHROUGH = "passthrough"
    MIRROR = "mirror"
    SHADOW = "shadow"
    CANARY = "canary"
    CUTOVER = "cutover"
    COMPLETE = "complete"
