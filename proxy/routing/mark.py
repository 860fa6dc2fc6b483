"""A mark of a ticket, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from proxy.errors import ProxyError


async def reached(register: Callable[[Callable[[ProxyError | None], None]], None]) -> None:
    """`register`: Ticket.when_written or when_durable. Raises the error that it tells."""
    mark: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def call(error: ProxyError | None) -> None:
        if mark.done():  # the client left
            return
        if error is None:
            mark.set_result(None)
        else:
            mark.set_exception(error)

    register(call)
    await mark
