"""Pinecone's metadata filters over one record's metadata.

`$ne` and `$nin` do not match a record that lacks the field: so does the real server, unlike MongoDB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from proxy.local.pinecone.errors import INVALID, Fault

Metadata = Mapping[str, Any]


def matches(tree: Mapping[str, Any], metadata: Metadata) -> bool:
    """Several items are an and. Raises Fault for what is no filter."""
    return all(_item(name, condition, metadata) for name, condition in tree.items())


def _item(name: str, condition: Any, metadata: Metadata) -> bool:
    match name, condition:
        case "$and", list():
            return all(matches(part, metadata) for part in condition)
        case "$or", list():
            return any(matches(part, metadata) for part in condition)
        case str(), _ if name.startswith("$"):
            raise Fault(INVALID, f"{name} is not a valid operator")
        case _, dict():
            return all(_test(operator, wanted, name, metadata) for operator, wanted in condition.items())
        case _:
            return _test("$eq", condition, name, metadata)


def _test(operator: str, wanted: Any, field: str, metadata: Metadata) -> bool:
    if operator == "$exists":
        return (field in metadata) is bool(wanted)
    test = _TESTS.get(operator)
    if test is None:
        raise Fault(INVALID, f"{operator} is not a valid operator")
    return field in metadata and test(metadata[field], wanted)


def _any(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Of a list of strings one element is enough."""
    return lambda value, wanted: any(test(each, wanted) for each in (value if isinstance(value, list) else [value]))


def _same(value: Any, wanted: Any) -> bool:
    return type(value) is type(wanted) and bool(value == wanted)


def _ordered(test: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: type(value) is float and type(wanted) is float and test(value, wanted)


def _within(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, list):
        raise Fault(INVALID, "$in and $nin take a list")
    return any(_same(value, each) for each in wanted)


_TESTS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$eq": _any(_same),
    "$ne": lambda value, wanted: not _any(_same)(value, wanted),
    "$gt": _ordered(lambda value, wanted: value > wanted),
    "$gte": _ordered(lambda value, wanted: value >= wanted),
    "$lt": _ordered(lambda value, wanted: value < wanted),
    "$lte": _ordered(lambda value, wanted: value <= wanted),
    "$in": _any(_within),
    "$nin": lambda value, wanted: not _any(_within)(value, wanted),
}
