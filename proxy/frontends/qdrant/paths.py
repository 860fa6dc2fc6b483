"""Payload keys: Qdrant's JSON paths (`a.b`, `a[0]`, `a[].b`, `"a.b".c`) as the model's paths."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy.errors import Refused, Unsupported
from proxy.frontends.qdrant.words import TARGET
from proxy.model.edit import Place
from proxy.model.feature import Feature
from proxy.model.filter import AnyElement, Filter, Nested, Path

_NAME: Final = r'(?:[\w-]+|"[^"]+")'
_INDEX: Final = r"\[[0-9]*\]"
_PATH: Final = re.compile(rf"{_NAME}(?:{_INDEX})*(?:\.{_NAME}(?:{_INDEX})*)*")
_STEP: Final = re.compile(r'"([^"]+)"|([\w-]+)(?![\w-]*\])|\[([0-9]*)\]')


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a value. `arrays`: each `[]` on the way, as the path of that array from the element of the one before."""

    arrays: tuple[Path, ...]
    path: Path

    def some(self, test: Callable[[Path], Filter]) -> Filter:
        """`test` holds for the value, or for one of them where the way leads through the elements of arrays."""
        condition = test(self.path)
        for array, onward in reversed(tuple(zip(self.arrays, (*self.arrays, self.path)[1:], strict=True))):
            through_names = bool(onward) and isinstance(onward[0], str)
            condition = Nested(array, condition) if through_names else AnyElement(array, condition)
        return condition


def where(key: str) -> Where:
    """Raises Refused for what is no path."""
    *arrays, last = _split(key)
    return Where(tuple(arrays), last)


def array_of(key: str) -> Where:
    """Of a nested condition, whose key names the array with `[]` behind it or without."""
    return where(key.removesuffix("[]"))


def plain_path(key: str) -> Path:
    """Raises Unsupported where the key leads through the elements of an array."""
    *arrays, last = _split(key)
    if arrays:
        raise Unsupported(Feature.FILTER_NESTED, TARGET, f"the key {key!r} here")
    return last


def _split(key: str) -> list[Path]:
    """At each `[]`."""
    if _PATH.fullmatch(key) is None:
        raise Refused(f"invalid JSON path {key!r}")
    parts: list[list[str | int]] = [[]]
    for quoted, name, index in _STEP.findall(key):
        if quoted or name:
            parts[-1].append(quoted or name)
        elif index:
            parts[-1].append(int(index))
        else:
            parts.append([])
    return [tuple(part) for part in parts]


def place(key: str) -> Place:
    """Of a change, which may lead through the elements of arrays."""
    first, *others = _split(key)
    return functools.reduce(lambda found, part: (*found, None, *part), others, first)
