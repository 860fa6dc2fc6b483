"""What the official client of Milvus raises, as ours: by the codes that an application would look at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from pymilvus import MilvusException

from proxy.errors import AlreadyExists, NotFound, ProxyError, Refused, Unavailable

_BY_CODE: Final[Mapping[int, type[ProxyError]]] = {
    **dict.fromkeys((100, 200, 700, 800, 1600), NotFound),
    **dict.fromkeys((1601, 1602), AlreadyExists),
    # 1 is what the client itself finds wrong
    **dict.fromkeys((1, 101, 1100, 1102, 65535), Refused),
}


async def asked(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """In a thread, because the client blocks and our listener has this one."""
    try:
        return await asyncio.to_thread(call, *args, **named)
    except MilvusException as error:
        raise _BY_CODE.get(error.code, Unavailable)(f"{error.code}: {error.message}") from error
