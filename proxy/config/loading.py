"""The one way from a file to the settings; what is wrong there is told by its key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from proxy.config.groups import Config
from proxy.errors import ConfigError


def load(path: Path) -> Config:
    """Reads and checks the file. Raises ConfigError with the path of the first wrong key."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError("", f"cannot read the config file {path}: {error.strerror}") from error
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError("", f"{path} is not YAML: {_trouble(error)}") from None
    if not isinstance(tree, dict):
        raise ConfigError("", f"{path} must be a mapping with source, target, listen ...")
    return parse(tree)


def _trouble(error: yaml.YAMLError) -> str:
    # Its own text quotes the line, and a secret may stand there.
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return "it has a character that YAML does not allow"
    return f"{getattr(error, 'context', None) or 'a mistake'} (line {mark.line + 1}, column {mark.column + 1})"


def parse(tree: Mapping[str, Any]) -> Config:
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise _explain(error) from None


def _explain(error: ValidationError) -> ConfigError:
    first = next((e for e in error.errors() if e["type"] == "extra_forbidden"), error.errors()[0])
    where = [str(part) for part in first["loc"]]
    path = ".".join(where)
    if first["type"] == "extra_forbidden":
        known = _known_keys(where[:-1])
        near = difflib.get_close_matches(where[-1], known, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return ConfigError(path, f"unknown key; {hint}")
    return ConfigError(path, first["msg"].removeprefix("Value error, "))


def _known_keys(where: list[str]) -> list[str]:
    group: Any = Config
    for part in where:
        fields = getattr(group, "model_fields", {})
        group = _group_of(fields[part].annotation) if part in fields else group
    return sorted(getattr(group, "model_fields", {}))


def _group_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = [found for part in getattr(annotation, "__args__", ()) if (found := _group_of(part)) is not None]
    return inner[0] if inner else None
