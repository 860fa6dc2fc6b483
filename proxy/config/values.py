"""The kinds of values that keys have, and how the file may write them."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

KEY_BYTES: Final = 32
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SIZES = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def _seconds(value: object) -> object:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", value.strip())):
        return float(found[1]) * _UNITS[found[2]]
    return value


def _bytes(value: object) -> object:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB)?", value.strip())):
        return int(float(found[1]) * SIZES[found[2] or ""])
    return value


def _address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not re.fullmatch(r"\[[0-9a-fA-F:.%]+\]|[^\s/:\[\]]*", host) or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"must be host:port, not {value!r}")
    return value


def _without_credentials(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\s@]+(/[^\s@]*)?", value):
        raise ValueError("must look like http://host:port, without credentials")
    return value


def _secret(value: object) -> object:
    match value:
        case {"env": str(name), **rest} if not rest:
            if name not in os.environ:
                raise ValueError(f"the environment variable {name} is not set")
            return os.environ[name]
        case {"file": str(path), **rest} if not rest:
            try:
                return Path(path).read_text("utf-8").strip()
            except OSError as error:
                raise ValueError(f"cannot read the file {path}: {error.strerror}") from error
            except UnicodeDecodeError:
                raise ValueError(f"the file {path} is no text") from None
    return value


def _not_empty(value: SecretStr) -> SecretStr:
    # An empty file or variable must not open what a secret was meant to close.
    if not value.get_secret_value():
        raise ValueError("the secret is empty")
    return value


def _token(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
        raise ValueError("must be printable ASCII without blanks, as a header carries it")
    return value


def _key(value: SecretStr) -> SecretStr:
    try:
        size = len(base64.b64decode(value.get_secret_value(), validate=True))
    except ValueError:
        size = 0
    if size != KEY_BYTES:
        raise ValueError(f"must be base64 of {KEY_BYTES} random bytes: `openssl rand -base64 {KEY_BYTES}`")
    return value


Seconds: TypeAlias = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
"""A number of seconds, or a text such as `250ms`, `10s`, `5m`."""
Bytes: TypeAlias = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
"""A number of bytes, or a text such as `64MiB`."""
Address: TypeAlias = Annotated[str, AfterValidator(_address)]
"""host:port; an IPv6 host in brackets; no host: every interface."""
Secret: TypeAlias = Annotated[SecretStr, BeforeValidator(_secret), AfterValidator(_not_empty)]
"""A text, `{env: NAME}` or `{file: PATH}`; prints as ***."""
Endpoint: TypeAlias = Annotated[str, AfterValidator(_without_credentials)]
"""A URL, possibly with a path."""
Token: TypeAlias = Annotated[Secret, AfterValidator(_token)]
"""A secret that clients show in a header."""
Key: TypeAlias = Annotated[Secret, AfterValidator(_key)]
"""A secret that is base64 of 32 bytes."""
Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
TlsVersion: TypeAlias = Annotated[Literal["1.2", "1.3"], BeforeValidator(str)]


class Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
