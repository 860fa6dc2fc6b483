"""The configuration page, printed from the settings themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from proxy.config import SIZES, Config

_HEAD = """# Configuration

`vecferry run --config vecferry.yaml`. Printed by `vecferry config keys`; a test compares.

An unknown key, a wrong type or a missing secret stops the start with the key's path. Durations are seconds or texts such as
`250ms`, `10s`, `5m`; sizes are bytes or texts such as `64MiB`; secrets are texts, `{env: NAME}` or `{file: PATH}`.
A share is a number from 0 to 1.
An edit of the file takes effect without a restart in `routing`, `gates`, `mirror.mode` and `mirror.collections`; the log and
`vecferry status` name what needs one, and why an edit was not taken. `routing.phase` says where a migration starts; after that
the state directory decides, and an edit of it enters that phase.

| key | type | default | meaning |
|---|---|---|---|
"""


def markdown() -> str:
    return _HEAD + "".join(f"| `{path}` | {kind} | {default} | {text} |\n" for path, kind, default, text in _rows(Config, ""))


def _rows(group: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in group.model_fields.items():
        path = f"{prefix}{name}"
        inner = _group(field.annotation)
        if inner is None:
            yield path, _kind(field), _default(field), _text(field.description)
        else:
            if field.description:
                yield path, "group", "", _text(field.description)
            yield from _rows(inner, f"{path}{_between(field.annotation)}.")


def _between(annotation: Any) -> str:
    """What stands between a group's key and those in it."""
    return {Mapping: ".NAME", tuple: "[]"}.get(get_origin(annotation), "")


def _group(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _group(part))), None)


def _kind(field: FieldInfo) -> str:
    """As it is written in the file; of an optional key: what it may be."""
    text = f"{field.annotation} {field.metadata}"
    kind = " / ".join(_choices(field.annotation)) or next(kind for word, kind in _WORDS.items() if word in text)
    return f"name to {kind}" if "Mapping" in text else kind


_WORDS: Final[Mapping[str, str]] = {
    "_seconds": "duration",
    "_bytes": "size",
    "_secret": "secret",
    "_address": "host:port",
    "Path": "path",
    "bool": "true / false",
    "Le(le=1)": "share",
    "float": "number",
    "int": "whole number",
    "str": "text",
}
"""What stands in an annotation, the most telling first."""


def _choices(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member) for member in annotation]
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return next((found for part in get_args(annotation) if (found := _choices(part))), [])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    return "" if default is None or default == {} else f"`{_written(default, _kind(field))}`"


def _written(default: Any, kind: str) -> str:
    if kind == "size":
        unit, size = max((unit for unit in SIZES.items() if default % unit[1] == 0), key=lambda unit: unit[1])
        return f"{default // size}{unit}"
    if kind == "duration":
        return f"{default:g}s"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
