"""Where Pinecone's indexes are, asked of the control plane on behalf of a client.

Owns: the questions. Not: what is remembered of the answers (frontends.pinecone.desk).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from proxy.backends.rest import Rest, json_of
from proxy.config import SideConfig
from proxy.errors import NotFound, Reason, Refused, Unavailable


class Directory:
    """Answers with what the client's own credentials may see, else ours. Raises Refused, NotFound and Unavailable."""

    def __init__(self, side: SideConfig) -> None:
        self._rest = Rest(side)
        self._ours = {"api-key": side.api_key.get_secret_value()} if side.api_key else {}

    async def host(self, index: str, credentials: Mapping[str, str]) -> str:
        """As the control plane tells it; "" while the index has none."""
        said = await self._asked(f"/indexes/{index}", credentials)
        return str(said.get("host") or "")

    async def hosts(self, credentials: Mapping[str, str]) -> dict[str, str]:
        said = await self._asked("/indexes", credentials)
        return {str(index["name"]): str(index.get("host") or "") for index in said.get("indexes", ())}

    async def close(self) -> None:
        await self._rest.close()

    async def _asked(self, path: str, credentials: Mapping[str, str]) -> dict[str, Any]:
        reply = await self._rest.get(path, credentials)
        if reply.status_code in (401, 403) and self._ours and credentials != self._ours:
            # Keys may be good for data only.
            reply = await self._rest.get(path, self._ours)
        said = json_of(reply)
        if isinstance(said, dict):
            return said
        raise _refusal(path, reply)


def _refusal(path: str, reply: httpx.Response) -> Refused | Unavailable:
    text = f"Pinecone's control plane answers GET {path} with {reply.status_code}"
    match reply.status_code:
        case 404:
            return NotFound(text)
        case 401 | 403:
            return Refused(text, Reason.UNAUTHENTICATED)
        case _:
            return Unavailable(text)
