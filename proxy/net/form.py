"""In which form the relay runs: the sources, or the machine code made of them (compiled/build.py)."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from typing import Final

COMPILED: Final = "compiled"
PYTHON: Final = "Python"
_ONE: Final = "proxy.net.relaying"
"""They are compiled together, so one tells of all."""


def form(module: str = _ONE) -> str:
    """Loads nothing."""
    spec = find_spec(module)
    origin = "" if spec is None else spec.origin or ""
    return COMPILED if origin.endswith(tuple(EXTENSION_SUFFIXES)) else PYTHON
