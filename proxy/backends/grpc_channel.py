"""A gRPC channel to a side, by its settings; the same for every product. Not: calls, their errors, credentials of a product."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
import grpc.aio

from proxy.certificates import Renewed, client_context, files
from proxy.config import SideConfig, TlsConfig
from proxy.errors import ConfigError

_OPTIONS: Final[tuple[tuple[str, Any], ...]] = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A dead peer is noticed within a minute; servers forbid pings more often than every five minutes without calls.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # The default grows to two minutes: a side that is back would still be reported as down.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 0),
)


def open_channel(side: SideConfig, url: str) -> grpc.aio.Channel | RenewedChannel:
    """Connects at the first call. To be called on the event loop that uses it. Raises ConfigError."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    target = f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    if parts.scheme == "http":
        return grpc.aio.insecure_channel(target, options=_OPTIONS)
    name = side.tls.server_name
    options = (*_OPTIONS, ("grpc.ssl_target_name_override", name)) if name else _OPTIONS
    return RenewedChannel(side.tls, lambda credentials: grpc.aio.secure_channel(target, credentials, options=options))


class RenewedChannel:
    """A channel as a stub needs it. What a channel was given it keeps, so there is another one when the TLS files change.

    A call ends on the channel that it began on: that one is closed when nobody refers to it any more.
    """

    def __init__(self, tls: TlsConfig, open_: Callable[[grpc.ChannelCredentials], grpc.aio.Channel]) -> None:
        """Raises ConfigError."""
        self._channels = Renewed(list(files(tls).values()), lambda: open_(_credentials(tls)))
        self._clock = asyncio.get_running_loop().time
        self._calls: dict[str, Any] = {}
        self._of: grpc.aio.Channel | None = None

    def unary_unary(self, method: str, *args: Any, **options: Any) -> Callable[..., Awaitable[Any]]:
        async def call(request: Any, **given: Any) -> Any:
            channel = self._channels.at(self._clock())
            return await self._bound(channel, "unary_unary", method, args, options)(request, **given)

        return call

    def unary_stream(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._streaming("unary_stream", method, args, options)

    def stream_unary(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._streaming("stream_unary", method, args, options)

    def stream_stream(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._streaming("stream_stream", method, args, options)

    def _streaming(self, kind: str, method: str, args: Any, options: Any) -> Callable[..., Any]:
        return lambda *given, **more: self._bound(self._channels.at(self._clock()), kind, method, args, options)(*given, **more)

    def _bound(self, channel: grpc.aio.Channel, kind: str, method: str, args: Any, options: Any) -> Any:
        if channel is not self._of:
            self._of, self._calls = channel, {}
        if method not in self._calls:
            self._calls[method] = getattr(channel, kind)(method, *args, **options)
        return self._calls[method]

    async def close(self, grace: float | None = None) -> None:
        await self._channels.current.close(grace)


def _credentials(tls: TlsConfig) -> grpc.ChannelCredentials:
    if not tls.verify:
        raise ConfigError("tls.verify", "gRPC cannot leave certificates unchecked: give the server's certificate as ca_file")
    client_context(tls)  # gRPC would tell of a file that cannot be used at each call, and never which one
    try:
        texts = [path.read_bytes() if path is not None else None for path in (tls.ca_file, tls.key_file, tls.cert_file)]
    except OSError as error:
        raise ConfigError("tls", f"cannot be read: {error}") from error
    return grpc.ssl_channel_credentials(*texts)
