"""Which part of a payload and which vectors an answer shows. Pure.

Owns: what must be read for it, and cutting what was read to what was asked, which can be finer than whole fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from qdrant_client import models

from proxy.frontends.qdrant.paths import place
from proxy.frontends.qdrant.values import field_of, payload_json
from proxy.model.edit import Place
from proxy.model.point import Payload
from proxy.model.schema import Schema

PayloadSelector: TypeAlias = models.WithPayloadInterface | None
VectorSelector: TypeAlias = bool | list[str] | None


def fields_of(selector: PayloadSelector, *, default: bool) -> tuple[str, ...] | None:
    """The fields to read: () for none, None for all."""
    match _normal(selector, default):
        case bool() as whole:
            return None if whole else ()
        case models.PayloadSelectorExclude():
            return None
        case models.PayloadSelectorInclude(include=keys):
            return tuple(dict.fromkeys(str(place(key)[0]) for key in keys))


def shows_whole_fields(selector: PayloadSelector, *, default: bool) -> bool:
    """What was read is what is shown."""
    match _normal(selector, default):
        case bool():
            return True
        case models.PayloadSelectorInclude(include=keys):
            return all(len(place(key)) == 1 for key in keys)
        case _:
            return False


def shown_payload(payload: Payload, selector: PayloadSelector, *, default: bool) -> dict[str, Any] | None:
    """None where none is asked for."""
    match _normal(selector, default):
        case False:
            return None
        case models.PayloadSelectorInclude(include=keys):
            kept: dict[str, Any] = _kept(payload_json(payload), [place(key) for key in keys])
            return kept
        case models.PayloadSelectorExclude(exclude=keys):
            left: dict[str, Any] = _dropped(payload_json(payload), [place(key) for key in keys])
            return left
        case _:
            return payload_json(payload)


def vector_names_of(selector: VectorSelector, schema: Schema) -> tuple[str, ...]:
    """() for none. Raises Refused where the collection has no vector of a name."""
    if isinstance(selector, list):
        return tuple(field_of(schema, name).name for name in selector)
    return tuple(schema.vectors) if selector else ()


def _normal(selector: PayloadSelector, default: bool) -> bool | models.PayloadSelectorInclude | models.PayloadSelectorExclude:
    match selector:
        case None:
            return default
        case list():
            return models.PayloadSelectorInclude(include=selector)
        case _:
            return selector


def _kept(value: Any, paths: list[Place]) -> Any:
    """As Qdrant does it: what a path cannot enter is kept whole, and elements of arrays have no numbers here."""
    match value:
        case _ if () in paths:
            return value
        case dict():
            return {name: _kept(each, below) for name, each in value.items() if (below := _below(paths, name))}
        case list():
            below = _below(paths, None)
            return [_kept(each, below) for each in value] if below else []
        case _:
            return value


def _dropped(value: Any, paths: list[Place]) -> Any:
    match value:
        case dict():
            left = {name: _below(paths, name) for name in value}
            return {name: _dropped(value[name], below) for name, below in left.items() if () not in below}
        case list():
            below = _below(paths, None)
            return [] if () in below else [_dropped(each, below) for each in value]
        case _:
            return value


def _below(paths: Iterable[Place], step: str | None) -> list[Place]:
    """What is left of the paths that go through `step`."""
    return [tuple(rest) for first, *rest in filter(None, paths) if first == step]
