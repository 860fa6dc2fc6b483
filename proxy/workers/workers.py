"""The workers as the core has them: as many as the settings say, each started again when it dies, all told the same.

Owns: starting, restarting, the grants' acknowledgement, the sums of what they report. Not: one process (process.py), what is
granted (routing.grant).
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePath
from typing import Any, Final, Protocol

from proxy.errors import Broken, ConfigError, Refused
from proxy.net.listener import Listener, ListenerStats
from proxy.net.owned import Owned
from proxy.ports import Clock, Route
from proxy.routing.grant import NOTHING, Grant, Grants
from proxy.routing.plan import Action
from proxy.telemetry import metrics
from proxy.workers.messages import Counted, Drain, Failed, Granted, Setup, StopAccepting
from proxy.workers.process import Process

log = logging.getLogger(__name__)

ACKNOWLEDGE: Final = 4.0
"""Seconds that a worker may take to say that it does as it was told."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds before a worker that died is started again; the pause doubles while it dies soon."""
STEADY: Final = 10.0
"""Seconds of life after which a death is a first one."""
QUIET: Final = 5.0
"""Seconds without a word after which a worker is not counted on; it reports twice a second."""
SILENT: Final = 30.0
"""... and after which it is killed: its share of the clients waits for nothing."""
STARTING: Final = 120.0
"""Seconds without a word after which one that does not accept clients yet is killed: a machine may be very busy."""
LEAVE: Final = 6.0
"""Seconds that a worker may take to end when it has nothing to do: spans of traces may have to be sent."""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """`silent_seconds`: since it last said anything. `restarts`: how often this one of the workers died."""

    pid: int
    accepting: bool
    connections: int
    requests: int
    restarts: int
    silent_seconds: float


@dataclass(slots=True)
class _Slot:
    """One of the workers over all its lives. `past`: what its dead processes had counted, by role."""

    index: int
    process: Process | None = None
    restarts: int = 0
    past: dict[str, ListenerStats] = field(default_factory=dict)


class Noting(Protocol):
    """The router."""

    grants: Grants

    def note(self, route: Route, action: Action, times: int) -> None: ...


class Port:
    """control.parts.Port: a role's listening port, which all workers hold together."""

    def __init__(self, address: str, stats: Callable[[], ListenerStats]) -> None:
        self.address = address
        self.stats = stats


class Workers:
    """routing.grant.Front. `inside`: the listeners of the core that the workers bring calls to."""

    def __init__(
        self, count: int, setup: Callable[[int], Setup], inside: Sequence[Listener], addresses: Mapping[str, str], clock: Clock
    ) -> None:
        """`setup`: for the n-th process ever started, from 0."""
        self.ports = {role: Port(address, functools.partial(self._stats, role)) for role, address in addresses.items()}
        self._setup = setup
        self._inside = inside
        self._clock = clock
        self._slots = [_Slot(index) for index in range(count)]
        self._started = 0
        self._number = 0
        self._grant = NOTHING
        self._router: Noting | None = None
        self._leaving = False
        self._first: dict[int, asyncio.Future[None]] = {}
        self._tasks = Owned()

    def __repr__(self) -> str:
        return f"<Workers {[slot.process for slot in self._slots]} granted={self._number}>"

    async def start(self) -> None:
        """Returns when all accept clients, with nothing granted. Raises ConfigError."""
        loop = asyncio.get_running_loop()
        self._first = {slot.index: loop.create_future() for slot in self._slots}
        for slot in self._slots:
            self._tasks.start(self._keep(slot), f"worker {slot.index}")
        self._tasks.start(self._end_silent(), "silent workers")
        await asyncio.gather(*self._first.values())

    def serve(self, router: Noting) -> None:
        """Grants come from it, and counts go to it, from now on."""
        self._router = router
        router.grants.attach(self)

    # ---- routing.grant.Front ----

    def publish(self, grant: Grant) -> None:
        self._grant = grant
        self._number += 1
        for process in self._bound():
            self._say_grant(process)

    async def acknowledged(self) -> None:
        if late := await self._late(self._number, ACKNOWLEDGE):
            raise Refused(
                f"{_named(late)} did not acknowledge within {ACKNOWLEDGE:g} s that every call comes to the core; "
                "nothing has changed: end it if it hangs, then try again"
            )

    # ---- questions ----

    @property
    def sockets(self) -> frozenset[str]:
        """Of the core; the names of their files."""
        return frozenset(PurePath(listener.address).name for listener in self._inside)

    def accepting(self) -> bool:
        return all(self._accepts(slot.process) for slot in self._slots)

    def statuses(self) -> tuple[WorkerStatus, ...]:
        return tuple(self._status(slot) for slot in self._slots)

    def _accepts(self, process: Process | None) -> bool:
        return process is not None and process.bound and self._clock.monotonic() - process.heard < QUIET

    def _status(self, slot: _Slot) -> WorkerStatus:
        process = slot.process
        ports = process.ports.values() if process else ()
        return WorkerStatus(
            pid=process.pid if process else 0,
            accepting=self._accepts(process),
            connections=sum(port.connections for port in ports),
            requests=sum(sum(port.requests.values()) for port in ports),
            restarts=slot.restarts,
            silent_seconds=round(self._clock.monotonic() - process.heard, 1) if process else 0.0,
        )

    def _stats(self, role: str) -> ListenerStats:
        """Of all workers, and of those before them."""
        now = (slot.process.ports[role] for slot in self._slots if slot.process and role in slot.process.ports)
        return _sum([*now, *(slot.past[role] for slot in self._slots if role in slot.past)])

    # ---- the end ----

    async def drain(self, seconds: float) -> None:
        """No worker accepts any more before any connection is told to go; then the workers end, then what is inside."""
        self._leaving = True
        await self._late(self._order(lambda number: StopAccepting(number=number)), ACKNOWLEDGE)
        late = await self._late(self._order(lambda number: Drain(number=number, seconds=seconds)), seconds + ACKNOWLEDGE)
        if late:
            log.warning("workers did not drain in time", extra={"pids": [process.pid for process in late]})
        await self._leave()
        await asyncio.gather(*(listener.drain(ACKNOWLEDGE) for listener in self._inside))

    async def close(self) -> None:
        """At once."""
        self._leaving = True
        for process in self._alive():
            process.kill()
        await self._tasks.close()

    async def _leave(self) -> None:
        for process in self._alive():
            process.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE):
                await asyncio.gather(*(process.gone() for process in self._alive()))
        await self.close()

    # ---- inside ----

    def _alive(self) -> list[Process]:
        return [slot.process for slot in self._slots if slot.process is not None]

    def _bound(self) -> list[Process]:
        """One that does not accept yet has been granted nothing, and is told when it does."""
        return [process for process in self._alive() if process.bound]

    def _say_grant(self, process: Process) -> None:
        grant = self._grant
        process.say(
            Granted(number=self._number, actions=grant.actions, changes=grant.changes, shadow=grant.shadow, canary=grant.canary)
        )

    def _order(self, order: Callable[[int], StopAccepting | Drain]) -> int:
        self._number += 1
        for process in self._bound():
            process.say(order(self._number))
        return self._number

    async def _late(self, number: int, seconds: float) -> list[Process]:
        """Those that had not carried out that order in time."""
        told = self._bound()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for process in told:
                    await process.until_done(number)
        return [process for process in told if not process.has_done(number)]

    async def _keep(self, slot: _Slot) -> None:
        pause = FIRST_PAUSE
        while not self._leaving:
            begun = self._clock.monotonic()
            failure = await self._live(slot)
            if self._leaving or not self._has_started(slot, failure):
                return
            slot.restarts += 1
            metrics.WORKER_RESTARTS.inc()
            steady = self._clock.monotonic() - begun >= STEADY
            pause = FIRST_PAUSE if steady else min(2 * pause, LONGEST_PAUSE)
            await self._clock.sleep(pause)

    async def _live(self, slot: _Slot) -> Failed:
        """One process, from its start to its end, and why it ended; every end but the last is a failure."""
        try:
            process = await Process.spawn(self._setup(self._started), self._clock)
        except OSError as error:
            return self._told(0, _cannot(f"no process could be started: {error.strerror}"))
        self._started += 1
        slot.process = process
        try:
            code = await process.attend(self._accepting_now(slot), self._note)
        except Broken as error:
            return self._told(process.pid, _cannot(str(error)))
        finally:
            slot.process = None
            self._bury(slot, process)
        return self._told(process.pid, process.failure or _cannot(f"it ended with {code}"))

    def _told(self, pid: int, failure: Failed) -> Failed:
        if not self._leaving:
            log.error("a worker ended", extra={"pid": pid, "why": f"{failure.key}: {failure.why}"})
        return failure

    def _has_started(self, slot: _Slot, failure: Failed) -> bool:
        """Once. What fails before is told to who starts the sidecar."""
        first = self._first[slot.index]
        if not first.done():
            first.set_exception(ConfigError(failure.key, failure.why))
        return not first.cancelled() and first.exception() is None

    def _accepting_now(self, slot: _Slot) -> Callable[[Process], None]:
        def bound(process: Process) -> None:
            self._say_grant(process)
            if not self._first[slot.index].done():
                self._first[slot.index].set_result(None)

        return bound

    def _bury(self, slot: _Slot, process: Process) -> None:
        for role, port in process.ports.items():
            before = [slot.past[role]] if role in slot.past else []
            slot.past[role] = _sum([*before, replace(port, connections=0, buffered=0)])

    def _note(self, counted: Iterable[Counted]) -> None:
        for call in counted:
            if self._router is not None:
                self._router.note(call.route, call.action, call.times)

    async def _end_silent(self) -> None:
        while True:
            await self._clock.sleep(1.0)
            for process in self._alive():
                if self._clock.monotonic() - process.heard > (SILENT if process.bound else STARTING):
                    log.error("a worker says nothing any more; it is killed", extra={"pid": process.pid})
                    process.kill()


def _cannot(why: str) -> Failed:
    return Failed(key="workers", why=why)


NO_STATS: Final = ListenerStats(0, 0, 0, {}, 0, 0, {})


def _sum(parts: Sequence[ListenerStats]) -> ListenerStats:
    return functools.reduce(_plus, parts, NO_STATS)


def _plus(one: ListenerStats, other: ListenerStats) -> ListenerStats:
    """Numbers, and numbers by some name."""
    sums: dict[str, Any] = asdict(one)
    for name, count in asdict(other).items():
        sums[name] = dict(Counter(sums[name]) + Counter(count)) if isinstance(count, dict) else sums[name] + count
    return ListenerStats(**sums)


def _named(processes: Sequence[Process]) -> str:
    return f"the worker{'s' if len(processes) > 1 else ''} with pid {', '.join(str(process.pid) for process in processes)}"
