"""What a change of a part makes of a point. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from proxy.model.point import Payload, Point, Value

Place: TypeAlias = tuple[str | int | None, ...]
"""As a filter's path, and None: each element of an array. Empty: the payload itself."""


@dataclass(frozen=True, slots=True, eq=False)
class MergePayload:
    """The fields are set in the object at `place`, those that are null taken away. What is no object there is replaced by one,
    and so is what the way leads through; an array never grows."""

    fields: Payload
    place: Place = ()


@dataclass(frozen=True, slots=True, eq=False)
class ReplacePayload:
    fields: Payload


@dataclass(frozen=True, slots=True)
class DropFields:
    """A place that ends in each element empties the array; one that ends in an index is left alone."""

    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class DropVectors:
    names: tuple[str, ...]


Change: TypeAlias = MergePayload | ReplacePayload | DropFields | DropVectors


def edited(point: Point, change: Change) -> Point:
    match change:
        case MergePayload(fields, place):
            return Point(point.key, point.vectors, _merged(dict(deepcopy(point.payload)), fields, place))
        case ReplacePayload(fields):
            return Point(point.key, point.vectors, deepcopy(fields))
        case DropFields(places):
            return Point(point.key, point.vectors, _without(dict(deepcopy(point.payload)), places))
        case DropVectors(names):
            kept = {name: vector for name, vector in point.vectors.items() if name not in names}
            return Point(point.key, kept, point.payload)
        case _:
            assert_never(change)


def _merged(payload: dict[str, Value], fields: Payload, place: Place) -> dict[str, Value]:
    merged = _set(payload, fields, place)
    assert isinstance(merged, dict)
    return merged


def _set(target: Value, fields: Payload, place: Place) -> Value:
    """What is to be at a place instead of `target`, which is changed where it is of the right kind."""
    if not place:
        return _with_fields(target if isinstance(target, dict) else {}, fields)
    step, *rest = place
    if isinstance(step, str):
        inside = target if isinstance(target, dict) else {}
        inside[step] = _set(inside.get(step), fields, tuple(rest))
        return inside
    elements = target if isinstance(target, list) else []
    for index in _indices(elements, step):
        elements[index] = _set(elements[index], fields, tuple(rest))
    return elements


def _with_fields(target: dict[str, Value], fields: Payload) -> dict[str, Value]:
    for name, value in fields.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = deepcopy(value)
    return target


def _without(payload: dict[str, Value], places: tuple[Place, ...]) -> Mapping[str, Value]:
    for place in places:
        _drop(payload, place)
    return payload


def _drop(target: Value, place: Place) -> None:
    step, *rest = place
    if isinstance(step, str):
        if not isinstance(target, dict) or step not in target:
            return
        if rest:
            _drop(target[step], tuple(rest))
        else:
            del target[step]
    elif isinstance(target, list) and rest:
        for index in _indices(target, step):
            _drop(target[index], tuple(rest))
    elif isinstance(target, list) and step is None:
        target.clear()


def _indices(elements: list[Value], step: int | None) -> range:
    if step is None:
        return range(len(elements))
    return range(step, step + 1) if step < len(elements) else range(0)
