"""Names of a foreign collection on Milvus, which takes `[A-Za-z_][A-Za-z0-9_]*` only. Pure; every mapping can be reversed.

- a collection keeps its name where Milvus takes it; any other character is `_x`, its code in hexadecimal, `_`:
  `my-docs` is `my_x2d_docs`
- a vector is a field named in the same way; the unnamed one is `vector`
- a payload field that would meet one of these fields, or one of ours, gets more underscores in front (mostly one)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.milvus.schema import META

ID: Final = "__id__"
"""The primary key of a collection whose ids Milvus does not have."""
EXACT: Final = "__vecferry__"
"""Dynamic field, JSON text: the payload fields that Milvus's JSON cannot hold exactly."""
MAX_NAME: Final = 255
"""Characters of a collection's or a field's name."""

FIELD_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Of a collection as well."""

_UNNAMED: Final = "vector"
_ESCAPED: Final = re.compile(r"_x([0-9a-f]+)_")
_OURS: Final = re.compile(r"__.*")
_UNNAMED_LIKE: Final = re.compile(rf"{_UNNAMED}_*")


def identifier(name: str) -> str:
    if FIELD_NAME.fullmatch(name) and not _ESCAPED.search(name):
        return name
    return "".join(_escaped(name, position) for position in range(len(name)))


def parse_identifier(name: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)


def vector_column(name: str) -> str:
    if not name:
        return _UNNAMED
    if _UNNAMED_LIKE.fullmatch(name):
        return f"{name}_"
    return _code("_") + identifier(name[1:]) if _OURS.match(name) else identifier(name)


def parse_vector_column(column: str) -> str:
    if _UNNAMED_LIKE.fullmatch(column):
        return "" if column == _UNNAMED else column[:-1]
    return parse_identifier(column)


def presence_column(column: str) -> str:
    """Of a vector's column: whether the point has that vector. See foreign_vectors.py."""
    return f"__has_{column}"


@dataclass(frozen=True, slots=True)
class PayloadNames:
    """`taken`: of the columns with which no key of the dynamic field may meet, the name without underscores in front ->
    the least and the most underscores in front of it."""

    taken: Mapping[str, tuple[int, int]]

    @classmethod
    def beside(cls, columns: Iterable[str]) -> PayloadNames:
        taken: dict[str, tuple[int, int]] = {}
        for column in (*columns, META, EXACT):
            bare = column.lstrip("_")
            front = len(column) - len(bare)
            least, most = taken.get(bare, (front, front))
            taken[bare] = min(least, front), max(most, front)
        return cls(taken)

    def stored(self, name: str) -> str:
        bare = name.lstrip("_")
        least, most = self.taken.get(bare, (0, -1))
        return "_" * (most + 1 - least) + name if len(name) - len(bare) >= least else name

    def parsed(self, name: str) -> str:
        bare = name.lstrip("_")
        least, most = self.taken.get(bare, (0, -1))
        return name[most + 1 - least :] if len(name) - len(bare) > most else name


def _escaped(name: str, position: int) -> str:
    character = name[position]
    if character == "_":
        return _code("_") if name[position + 1 : position + 2] == "x" else "_"
    plain = character.isascii() and (character.isalpha() or (character.isdigit() and position > 0))
    return character if plain else _code(character)


def _code(character: str) -> str:
    return f"_x{ord(character):x}_"
