"""How often the garbage collector looks for cycles. Not: what it leaves alone (net/allocator)."""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 5_000
"""Containers made and not freed until it looks at the youngest; Python's own is 700.

A mirrored write of 1 MB is some 2,000 of them for as long as it is on its way, and none of them is in a cycle. What is in one
waits longer: an error with its traceback, and the body that it holds on to. So the number must stay small.
"""


def collect_seldom() -> None:
    _, *older = gc.get_threshold()
    gc.set_threshold(YOUNG, *older)
