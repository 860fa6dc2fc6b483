"""A part that fails is told, and takes nothing with it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from proxy.config import parse
from proxy.control.guard import guarded
from proxy.control.operator import Standing

SETTINGS = {"source": {"product": "milvus", "url": "http://127.0.0.1:1"}, "listen": {"grpc": "127.0.0.1:0"}}


async def _broken() -> None:
    raise KeyError("an entry that cannot be read")


async def test_a_fault_is_kept_by_name_and_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    standing = Standing(parse(SETTINGS))
    async with asyncio.TaskGroup() as group:
        group.create_task(guarded("mirror", _broken(), standing))
        group.create_task(asyncio.sleep(0))
    assert standing.faults == {"mirror": "KeyError: 'an entry that cannot be read'"}
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]


async def test_a_stop_is_no_fault() -> None:
    standing = Standing(parse(SETTINGS))
    task = asyncio.get_running_loop().create_task(guarded("mirror", asyncio.Event().wait(), standing))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not standing.faults
