"""Keys as JSON texts, for rows and checkpoints. Lossless: `1`, `"1"` and a UUID stay three different ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import orjson

from proxy.errors import Broken
from proxy.model.point import Key, PointId


def dump_key(key: Key) -> str:
    """Canonical, so that equal keys are equal texts. The collection is left out: rows and checkpoints belong to one."""
    identity = {"uuid": str(key.id)} if isinstance(key.id, UUID) else key.id
    return orjson.dumps([key.partition, identity]).decode()


def load_key(collection: str, text: str) -> Key:
    """Raises Broken on what `dump_key` did not write."""
    try:
        partition, identity = orjson.loads(text)
    except ValueError as error:
        raise Broken(f"a stored key of {collection} cannot be read: {error}") from error
    return Key(collection, partition, _identity(identity))


def dump_keys(keys: Iterable[Key]) -> list[str]:
    return [dump_key(key) for key in keys]


def load_keys(collection: str, texts: Sequence[str]) -> tuple[Key, ...]:
    return tuple(load_key(collection, text) for text in texts)


def _identity(value: Any) -> PointId:
    match value:
        case {"uuid": str(text)}:
            return UUID(text)
        case bool() | float():
            raise Broken(f"a stored id is neither a whole number nor a text: {value!r}")
        case int() | str():
            return value
        case _:
            raise Broken(f"a stored id is neither a whole number nor a text: {value!r}")
