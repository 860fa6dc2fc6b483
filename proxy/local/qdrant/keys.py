"""The api key: both protocols ask for it in the same way."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

NO_KEY: Final = "Must provide an API key or an Authorization bearer token"
WRONG_KEY: Final = "Invalid API key or JWT"


def wrong_key(api_key: str | None, given: Mapping[str, str]) -> str | None:
    """`given`: headers or metadata, lower-case names. Returns what to tell a caller without the right key."""
    if api_key is None:
        return None
    token = given.get("api-key") or given.get("authorization", "").removeprefix("Bearer ")
    if not token:
        return NO_KEY
    return None if hmac.compare_digest(token.encode(), api_key.encode()) else WRONG_KEY
