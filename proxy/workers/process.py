"""One worker process as the core sees it, from its start to its end.

Owns: starting and killing it, what it last said. Not: when it is started again, nor what it is told (workers.py).
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import assert_never

from proxy.net.listener import ListenerStats
from proxy.ports import Clock
from proxy.workers.messages import (
    FROM_WORKER,
    Bound,
    Channel,
    Counted,
    Done,
    Drain,
    Failed,
    FromWorker,
    Granted,
    Report,
    Setup,
    StopAccepting,
)


class Process:
    """Made by `spawn`; `attend` must run until it returns."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel[FromWorker], clock: Clock) -> None:
        self.pid = process.pid
        self.bound = False
        """It accepts clients."""
        self.failure: Failed | None = None
        """It could not start."""
        self.ports: Mapping[str, ListenerStats] = {}
        self.heard = clock.monotonic()
        """When it last said something."""
        self._done = 0
        self._gone = False
        self._changed = asyncio.Event()
        self._process = process
        self._channel = channel
        self._clock = clock

    def __repr__(self) -> str:
        state = "gone" if self._gone else "bound" if self.bound else "starting"
        return f"<Process {self.pid} {state} done={self._done}>"

    @classmethod
    async def spawn(cls, setup: Setup, clock: Clock) -> Process:
        """Raises OSError where the system gives none."""
        ours, theirs = socket.socketpair()
        try:
            # -P: no folder that happens to be called `proxy` where the sidecar was started is taken for ours.
            program = [sys.executable, "-P", "-m", "proxy.workers", str(theirs.fileno()), str(os.getpid())]
            process = await asyncio.create_subprocess_exec(
                *program, stdin=asyncio.subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
            made = cls(process, await Channel.on(FROM_WORKER, ours), clock)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        made._channel.say(setup)
        return made

    async def attend(self, bound: Callable[[Process], None], counted: Callable[[Iterable[Counted]], None]) -> int:
        """Hears it until it is gone; its exit code. `bound` is called when it accepts clients."""
        try:
            while (message := await self._channel.hear()) is not None:
                self.heard = self._clock.monotonic()
                match message:
                    case Bound():
                        self.bound = True
                        bound(self)
                    case Failed():
                        self.failure = message
                    case Done():
                        self._done = message.number
                    case Report():
                        self.ports = message.ports
                        counted(message.counted)
                    case _:
                        assert_never(message)
                self._changed.set()
        finally:
            self.kill()
            code = await self._process.wait()
            self._gone = True
            self._channel.close()
            self._changed.set()
        return code

    def say(self, order: Granted | StopAccepting | Drain) -> None:
        self._channel.say(order)

    def has_done(self, number: int) -> bool:
        """It has carried out that order, or can do nothing any more."""
        return self._done >= number or self._gone

    async def until_done(self, number: int) -> None:
        while not self.has_done(number):
            self._changed.clear()
            await self._changed.wait()

    async def gone(self) -> None:
        while not self._gone:
            self._changed.clear()
            await self._changed.wait()

    def leave(self) -> None:
        """It has nothing to do any more, and ends by itself."""
        self._channel.finish()

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
