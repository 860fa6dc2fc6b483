"""The configuration page, printed from the settings themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from proxy.config import Config

_HEAD = """# Configuration

`vecferry run --config vecferry.yaml`. Printed by `vecferry config keys`; a test compares.

An unknown key, a wrong type or a missing secret stops the start with the key's path. Durations are seconds or texts such as
`250ms`, `10s`, `5m`; sizes are bytes or texts such as `64MiB`; secrets are texts, `{env: NAME}` or `{file: PATH}`.
An edit of the file takes effect without a restart in `routing`, `gates` and `mirror.mode`; the log names what needs one.

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
                yield path, "group", _default(field) if field.default is None else "", _text(field.description)
            yield from _rows(inner, f"{path}.NAME." if "Mapping" in str(field.annotation) else f"{path}.")


def _group(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _group(part))), None)


def _kind(field: FieldInfo) -> str:
    text = str(field.annotation)
    for mark, kind in (("SecretStr", "secret"), ("Mapping", "mapping"), ("Path", "path"), ("bool", "true or false")):
        if mark in text:
            return kind
    choices = (
        getattr(field.annotation, "__args__", ()) if "Literal" in text else list(getattr(field.annotation, "__members__", ()))
    )
    if choices:
        return " / ".join(str(choice).lower() for choice in choices)
    return "number" if any(word in text for word in ("int", "float")) else "text"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined and field.default_factory is None:
        return "required"
    if field.default is None or field.default is PydanticUndefined:
        return ""
    return f"`{json.dumps(field.default, default=str)}`"


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
