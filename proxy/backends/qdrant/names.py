"""Names on Qdrant: of collections, of payload fields, and the JSON paths by which Qdrant addresses them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from proxy.errors import Unsupported
from proxy.model.feature import Feature
from proxy.model.filter import Path
from proxy.model.schema import Product

ID: Final = "__id__"
"""Payload field of every point of a foreign collection: its id as the client knows it."""
PARTITION: Final = "__partition__"
"""The point's partition; missing in the default one."""
EMPTY: Final = "__empty__"
"""The paths at which the payload has an empty array: Qdrant's own conditions take it for a missing field."""
EXACT: Final = "__vecferry__"
"""JSON text: what Qdrant cannot hold exactly. See payload.py and vectors.py."""

MAX_PATH: Final = 24
"""Steps into a payload. Protobuf reads messages up to 100 levels deep, and an object in an object takes three of them."""

_RESERVED: Final = re.compile(r"_*__(id|partition|empty|vecferry)__")
_FORBIDDEN: Final = "".join(map(chr, range(32))) + '<>:"/\\|?*\x7f'
"""In a collection's name. A real Qdrant has names of its own with everything else in them, which must stay as they are."""
_CODES: Final = "|".join(f"{ord(char):02X}" for char in "%" + _FORBIDDEN)
_TO_ESCAPE: Final = re.compile(rf"[{re.escape(_FORBIDDEN)}]|%(?={_CODES})")
_ESCAPED: Final = re.compile(f"%({_CODES})")
_PLAIN_IN_PATH: Final = re.compile(r"[A-Za-z0-9_-]+")
_NOT_IN_PATH: Final = frozenset('"\\')


def collection_name(collection: str) -> str:
    """Reversible; Milvus's `database/name` becomes `database%2Fname`."""
    return _TO_ESCAPE.sub(lambda found: f"%{ord(found[0]):02X}", collection)


def parse_collection_name(name: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)


def field_name(name: str) -> str:
    """A client's field never takes one of our names: it gets one more underscore in front. Reversible."""
    return "_" + name if name.startswith("_") and _RESERVED.fullmatch(name) else name


def parse_field_name(name: str) -> str:
    return name[1:] if name.startswith("_") and _RESERVED.fullmatch(name) else name


def json_path(path: Path) -> str:
    """Qdrant's JSON path. Raises Unsupported for a name that its grammar cannot say, and for what is too deep to be stored."""
    if len(path) > MAX_PATH:
        raise Unsupported(Feature.FILTER_NESTED, Product.QDRANT, f"a path of more than {MAX_PATH} steps")
    first, *rest = path
    return _quoted(str(first)) + json_steps(rest)


def json_steps(path: Sequence[str | int]) -> str:
    """What stands behind the beginning of a path."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{_quoted(step)}" for step in path)


def addressable(name: str) -> bool:
    return _NOT_IN_PATH.isdisjoint(name)


def _quoted(name: str) -> str:
    if _PLAIN_IN_PATH.fullmatch(name):
        return name
    if not addressable(name):
        raise Unsupported(Feature.DYNAMIC_FIELDS, Product.QDRANT, f"no filter can name the field {name!r}")
    return f'"{name}"'
