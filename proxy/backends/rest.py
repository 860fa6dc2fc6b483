"""A side's own REST, for the few questions that no SDK is needed for.

Owns: address, TLS, errors made ours. Not: what is asked, credentials.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

import httpx

from proxy.config import SideConfig, TlsConfig
from proxy.errors import ConfigError, Unavailable

LARGEST: Final = 2**24
"""Bytes of an answer that is read."""


class Rest:
    """Raises ConfigError where the TLS files cannot be used. Takes no proxy from the environment."""

    def __init__(self, side: SideConfig) -> None:
        self.url = side.url
        self._http = httpx.AsyncClient(base_url=side.url, verify=_context(side.tls), timeout=side.timeout, trust_env=False)
        self._extensions: dict[str, Any] = {"sni_hostname": side.tls.server_name} if side.tls.server_name else {}

    async def get(self, path: str, headers: Mapping[str, str]) -> httpx.Response:
        """Whatever its status. Raises Unavailable."""
        request = self._http.build_request("GET", path, headers=headers, extensions=self._extensions)
        try:
            reply = await self._http.send(request, stream=True)
            try:
                return await _whole(reply)
            finally:
                await reply.aclose()
        except httpx.HTTPError as error:
            raise Unavailable(f"{self.url} cannot be reached: {str(error) or type(error).__name__}") from error

    async def close(self) -> None:
        await self._http.aclose()


async def _whole(reply: httpx.Response) -> httpx.Response:
    body = b""
    async for part in reply.aiter_bytes():
        body += part
        if len(body) > LARGEST:
            raise Unavailable(f"{reply.url} answers with more than {LARGEST} bytes")
    plain = [(name, value) for name, value in reply.headers.multi_items() if name not in ("content-encoding", "content-length")]
    return httpx.Response(reply.status_code, headers=plain, content=body)


def json_of(reply: httpx.Response) -> Any:
    """None where it is no success or no JSON."""
    try:
        return reply.json() if reply.is_success else None
    except ValueError:
        return None


def _context(tls: TlsConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
        if tls.cert_file is not None:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError("tls", f"cannot be used: {error}") from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
