"""A migration whose sidecar dies again and again: applications, an operator who begins anew after each death, and the judge.

What must hold is looked at after every death (`_autopsy`), and when all is quiet (`settle_up`).
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import signal
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fakes.databases import Databases, read_message, write_message
from fakes.plain_frontend import point, schema_of

from proxy.clock import SystemClock
from proxy.errors import ProxyError, Refused, Unavailable
from proxy.model.operation import CreateCollection
from proxy.model.place import Place
from proxy.model.point import Key
from proxy.ports import Reply, Request
from tests.faults.kills.applications import APPLICATIONS, MAYFLY, SHARED, Application, History, values
from tests.faults.kills.belongings import Belongings, open_belongings
from tests.faults.kills.forks import Fate, Forks
from tests.faults.kills.life import Born
from tests.faults.kills.points import Point

STILL: Final = "still"
"""A collection that no application writes: what is there was copied, or stays missing."""
STILL_POINTS: Final = 40
EXTRA: Final = 5000
ANSWER_SECONDS: Final = 60.0
TASK_SECONDS: Final = 120.0
"""Over all deaths that come meanwhile."""
ACTIVE: Final = ("running", "paused")
TASKS: Final = ("backfill", "verify", "repair")


class Gone(Exception):
    """The life that was asked died before it answered."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`owed`: collections that were marked unverified, and so were verified and repaired."""

    owed: frozenset[str]


def _made_unmirrored(owed: frozenset[str]) -> frozenset[str]:
    """What may have been made while the mirror was off, which is all that can make STILL a debt: like all that a mirror finds
    when it begins, it is unverified until it is backfilled or repaired, and that is no debt."""
    return frozenset({MAYFLY}) if STILL in owed else frozenset()


class World:
    def __init__(self, folder: Path, forks: Forks, seed: int) -> None:
        self.chance = random.Random(seed)
        self.databases = Databases(folder / "databases.sock", self.chance)
        self.history = History()
        self._folder = folder
        self._forks = forks
        self._address = folder / "life.sock"
        self._lives = itertools.count(1)
        self._clock = SystemClock()
        self._number = 0
        self._applications = [Application(group, self._asked, self.history, seed + group) for group in range(APPLICATIONS)]
        self.emptied = False
        self.spoiled: frozenset[int] = frozenset()
        self._found = False
        """Verify has told all of them."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        for place in Place:
            for name in (SHARED, STILL):
                await self.databases.at(place).apply(CreateCollection(schema_of(name)))
        still = [point(STILL, number, -1.0 - number) for number in range(STILL_POINTS)]
        for place in Place:
            await self.databases.at(place).put(still)
        async with self.databases:
            try:
                yield self
            finally:
                self._forks.end()

    # ---- lives ----

    def begin(self, point: Point | None = None, nth: int = 1) -> None:
        self._number = next(self._lives)
        self._forks.begin(Fate(Born(self._folder, self._number, self.databases.path), self._address, point, nth))

    async def death(self, within: float = ANSWER_SECONDS) -> None:
        """Waits for it, and looks at what was left. Raises AssertionError where it did not come, or was no kill."""
        async with asyncio.timeout(within):
            code = await self._forks.ended()
        self.databases.died(self._number)
        assert code == -signal.SIGKILL, f"the sidecar ended by itself with {code}\n{self.log[-4000:]}"
        await self._autopsy()

    async def kill(self) -> None:
        self._forks.kill()
        await self.death()

    async def stop(self) -> None:
        await self.ask("stop")
        assert await self._forks.ended() == 0, self.log[-4000:]
        self.databases.died(self._number)

    @property
    def log(self) -> str:
        log = self._folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    # ---- what is asked of a life ----

    async def ask(self, *message: Any) -> Any:
        """Waits for the next life where there is none. Raises Gone, and ProxyError as the sidecar does."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._answer(message)
        except TimeoutError:
            raise AssertionError(f"no answer to {message}\n{self.log[-4000:]}") from None
        if isinstance(answer, ProxyError):
            raise answer
        return answer

    async def _answer(self, message: tuple[Any, ...]) -> Any:
        reader, writer = await asyncio.open_unix_connection(self._address)
        try:
            await write_message(writer, message)
            return await read_message(reader)
        except (EOFError, ConnectionError) as gone:
            raise Gone from gone
        finally:
            writer.close()

    async def _asked(self, request: Request) -> Reply | None:
        try:
            answer: Reply = await self.ask("ask", request)
        except (Gone, ProxyError):
            return None
        return answer

    async def persist(self, *message: Any) -> Any:
        """Again after each death."""
        while True:
            try:
                return await self.ask(*message)
            except Gone:
                continue

    async def attempt(self, *message: Any) -> Exception | None:
        """An operator's act; how it ended is to be seen in the status. Why it was not carried out, as far as that is known."""
        try:
            await self.ask(*message)
        except (Gone, Refused, Unavailable) as error:
            await asyncio.sleep(0.01)
            return error
        return None

    async def _act_until(self, name: str, value: str, *message: Any) -> None:
        """Until the status says so. Raises AssertionError with what stands against it."""
        deadline = self._clock.monotonic() + ANSWER_SECONDS
        while (status := await self.persist("status"))[name] != value:
            refusal = await self.attempt(*message)
            assert self._clock.monotonic() < deadline, f"{message}: {refusal}; {status}"

    # ---- applications ----

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Applications work meanwhile, over all deaths; a life must be there at the end, to answer the last of them."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for each in self._applications:
                group.create_task(each.run(stop))
            try:
                yield
            finally:
                stop.set()

    # ---- the judge ----

    def values(self, place: Place, collection: str) -> dict[int, float]:
        return values(self.databases.at(place)._points.get(collection, {}))

    def differing(self, collection: str) -> set[int]:
        """What the source dropped while the mirror was off stays on the target; one made again under that name is not verified
        until its leftovers are found, so such a leftover by itself is no difference."""
        if collection not in self.databases.source._points:
            return set()
        source, target = self.values(Place.SOURCE, collection), self.values(Place.TARGET, collection)
        return {key for key in source.keys() | target.keys() if source.get(key) != target.get(key)}

    async def _autopsy(self) -> None:
        """What is on the disk accounts for every difference of the two sides, at this very moment."""
        state, copy = self._folder / "state", self._folder / "copy"
        if not state.exists():
            return  # it died before it was anybody's sidecar
        shutil.copytree(state, copy, ignore=shutil.ignore_patterns("lock", "*-shm"))
        differing = {name: self.differing(name) for name in (SHARED, STILL)}
        try:
            belongings = await open_belongings(copy)
        finally:
            shutil.rmtree(copy)
        self._account_for(SHARED, differing[SHARED], belongings)
        self._account_for(STILL, differing[STILL] - self._left_to_tasks(belongings), belongings)

    def _account_for(self, collection: str, differing: Collection[int], found: Belongings) -> None:
        lost = {key for key in differing if not found.owes(Key(collection, None, key))}
        assert not lost, f"differ, and nothing on the disk says so: {collection} {sorted(lost)}; {found}"

    def _left_to_tasks(self, found: Belongings) -> set[int]:
        """Points of STILL that a task under way has not come to yet; what the target has too much, only the end tells."""
        keys = {number: Key(STILL, None, number) for number in self.differing(STILL)}
        return {
            number
            for number, key in keys.items()
            if number == EXTRA
            or key in found.divergent
            or (self.emptied and not found.backfill.passed(key))
            or (number in self.spoiled and not found.verify.passed(key))
        }

    async def settle_up(self) -> Verdict:
        """No application works any more. Raises AssertionError where something was lost. The life stays, and its primary is the
        source: the target is what is emptied and spoiled."""
        await self._finish_what_was_begun()
        await self.persist("drained")
        assert not self.databases.late
        owed = frozenset((await self.persist("status"))["debts"])
        differing = {name: self.differing(name) for name in (SHARED, STILL, MAYFLY)}
        lost = {name: keys for name, keys in differing.items() if keys and name not in owed | _made_unmirrored(owed)}
        assert not lost, f"differ after all is quiet, and no debt says so: {lost}"
        if owed:
            await self._repair()
        await self._judge()
        await self._act_until("primary", "source", "change", "shadow")
        return Verdict(owed)

    async def _finish_what_was_begun(self) -> None:
        if (await self.persist("status"))["phase"] == "passthrough":
            await self._act_until("phase", "mirror", "enter", "mirror", "test", "test")
        for task in TASKS:
            await self._ended(task)
        if self.emptied:
            await self.fill()
        if self.spoiled:
            await self.mend()

    async def _repair(self) -> None:
        for task in ("verify", "repair", "verify"):
            await self.task(task)
        status = await self.persist("status")
        assert not status["debts"], status["debts"]
        differing = {name: keys for name in (SHARED, STILL, MAYFLY) if (keys := self.differing(name))}
        assert not differing, f"differ after a repair: {differing}"

    async def _judge(self) -> None:
        status = await self.persist("status")
        primary = self.values(status["primary"], SHARED)
        wrong = self.history.wrong(primary)
        assert not wrong, f"not what was acknowledged: {wrong}"
        self.history.landed()
        told = [text for application in self._applications for text in application.wrong]
        assert not told, f"read and never written so: {told}"
        first = [place for (name, _), place in self.databases.first.items() if name == SHARED]
        turns = sum(one is not other for one, other in itertools.pairwise(first))
        assert turns < status["epoch"], f"{turns} changes of primary seen by the databases, epoch {status['epoch']}"
        assert " ERROR " not in self.log, self.log[-4000:]

    # ---- the operator ----

    def empty(self) -> None:
        """The target loses STILL, as if it were fresh."""
        self.emptied = True
        self.databases.target._points[STILL].clear()

    async def fill(self) -> None:
        await self.task("backfill")
        self.emptied = False

    async def spoil(self) -> None:
        """Some points of the target become wrong behind everybody's back, some go, and one comes."""
        wrong, *gone = self.chance.sample(range(STILL_POINTS), 4)
        self.spoiled = frozenset({wrong, *gone, EXTRA})
        await self.databases.target.remove([Key(STILL, None, number) for number in gone])
        await self.databases.target.put([point(STILL, wrong, 0.0), point(STILL, EXTRA, 0.0)])

    async def mend(self) -> None:
        if not self._found:
            await self.task("verify")
            found = {int(point["id"]) for point in (await self.persist("diff", STILL, 100))[STILL]["points"]}
            # what the repair before this one was killed at is settled once more, so it may be equal again already
            missed = self.differing(STILL) - found
            assert not missed, f"not found by verify: {sorted(missed)}"
            self._found = True
        await self.task("repair")
        assert not self.differing(STILL)
        self.spoiled, self._found = frozenset(), False

    async def task(self, name: str) -> None:
        """Runs it to its end, over as many deaths as there are."""
        begun, deadline, refusal = self._clock.now(), self._clock.monotonic() + TASK_SECONDS, None
        while (status := await self._ended(name))["state"] == "idle" or (status["started"] or 0.0) < begun:
            # not begun, or the life that was asked died before it was
            refusal = await self.attempt("start_task", name, ())
            assert self._clock.monotonic() < deadline, f"{name}: {refusal}; {await self.persist('status')}"
        assert status["state"] == "done", status

    async def _ended(self, task: str) -> Any:
        deadline = self._clock.monotonic() + TASK_SECONDS
        while (status := await self.persist("task", task))["state"] in ACTIVE:
            await asyncio.sleep(0.01)
            assert self._clock.monotonic() < deadline, f"{status}; {await self.persist('status')}"
        return status
