"""Named long tasks with one status, the same for the API, the command line and tests.

Owns: starting, pausing, cancelling, resuming after a restart. Not: what a task does (backfill, verify), nor how far it has
come (its own checkpoint): a task that is started again after a failure goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from proxy.errors import AlreadyExists, Broken, NotFound, ProxyError, Refused, Unavailable
from proxy.ports import Clock
from proxy.store.checkpoints import Checkpoints
from proxy.tasks.task import ACTIVE, Job, Task, TaskState, TaskStatus

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Running:
    """`work` is the job, `whole` is its owner, which keeps how it ended."""

    work: asyncio.Future[tuple[BaseException | None]]
    whole: asyncio.Task[None]


class Tasks:
    """`run` owns every task; the others may be called while it runs. One running task of a name."""

    def __init__(self, jobs: Mapping[str, Job], checkpoints: Checkpoints, clock: Clock) -> None:
        self._tasks = {name: Task(name, job, clock) for name, job in jobs.items()}
        self._checkpoints = checkpoints
        self._clock = clock
        self._group: asyncio.TaskGroup | None = None
        self._running: dict[str, _Running] = {}
        self._unwanted: set[str] = set()

    def statuses(self) -> tuple[TaskStatus, ...]:
        return tuple(task.status for task in self._tasks.values())

    def status(self, name: str) -> TaskStatus:
        return self._task(name).status

    async def run(self) -> None:
        """Resumes what a stop interrupted, then waits to be cancelled, which is such a stop."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for task in self._tasks.values():
                await self._restore(task)
            await asyncio.Event().wait()

    async def start(self, name: str, collections: tuple[str, ...] = ()) -> TaskStatus:
        """Raises NotFound (no such task), AlreadyExists (it is running or paused) and Unavailable (before `run`)."""
        task = self._task(name)
        if self._group is None:
            raise Unavailable(f"the sidecar starts: the task {name} cannot run yet")
        if task.status.state in ACTIVE:
            raise AlreadyExists(f"the task {name} is {task.status.state} already")
        await self._enter(task, TaskStatus(name, TaskState.RUNNING, collections, started=self._clock.now()))
        self._launch(task)
        return task.status

    async def pause(self, name: str) -> TaskStatus:
        return await self._switch(name, TaskState.RUNNING, TaskState.PAUSED)

    async def resume(self, name: str) -> TaskStatus:
        return await self._switch(name, TaskState.PAUSED, TaskState.RUNNING)

    async def cancel(self, name: str) -> TaskStatus:
        """Its checkpoint stays. Raises Refused where it is not active."""
        task = self._task(name)
        if name not in self._running:
            raise Refused(f"the task {name} is {task.status.state}, so there is nothing to cancel")
        self._unwanted.add(name)
        self._running[name].work.cancel()
        return await self.wait(name)

    async def wait(self, name: str) -> TaskStatus:
        """Returns when it is neither running nor paused."""
        if name in self._running:
            await asyncio.wait({self._running[name].whole})
        return self.status(name)

    # ---- inside ----

    def _task(self, name: str) -> Task:
        if name not in self._tasks:
            raise NotFound(f"there is no task {name}; there are {', '.join(self._tasks)}")
        return self._tasks[name]

    async def _switch(self, name: str, current: TaskState, wanted: TaskState) -> TaskStatus:
        task = self._task(name)
        if task.status.state is not current:
            raise Refused(f"the task {name} is {task.status.state}, not {current}")
        await self._enter(task, replace(task.status, state=wanted))
        return task.status

    async def _enter(self, task: Task, status: TaskStatus) -> None:
        """At once, so that no second call comes between, and taken back if it cannot be made durable."""
        before = task.status
        task.enter(status)
        try:
            await self._keep(task)
        except ProxyError:
            task.enter(before)
            raise

    def _launch(self, task: Task) -> None:
        if self._group is None:
            raise Broken("a task was launched before the tasks run")
        name = task.status.name
        # A job's failure is its status, not the end of the other tasks.
        work = asyncio.gather(task.job(task.status.collections, task), return_exceptions=True)
        whole = self._group.create_task(self._see_to_its_end(task, work), name=f"task.{name}")
        self._running[name] = _Running(work, whole)

    async def _see_to_its_end(self, task: Task, work: asyncio.Future[tuple[BaseException | None]]) -> None:
        name = task.status.name
        try:
            [outcome] = await work
        except asyncio.CancelledError as stop:
            if name not in self._unwanted:
                raise
            outcome = stop
        self._unwanted.discard(name)
        task.enter(replace(task.status, finished=self._clock.now(), **_ended(name, outcome)))
        del self._running[name]
        try:
            await self._keep(task)
        except Unavailable as error:
            # Only the outcome is lost: the next start of the process goes on from the task's checkpoint.
            log.error("the outcome of a task cannot be kept", extra={"task": name, "error": str(error)})

    async def _keep(self, task: Task) -> None:
        await self._checkpoints.save(_row(task.status.name), asdict(task.status))

    async def _restore(self, task: Task) -> None:
        document = await self._checkpoints.load(_row(task.status.name))
        # Asked for while this was read: what was kept may be the new run, which is launched already.
        if document is None or task.status.started is not None:
            return
        document |= {"state": TaskState(document["state"]), "collections": tuple(document["collections"])}
        task.enter(TaskStatus(**document))
        if task.status.state in ACTIVE:
            self._launch(task)


def _row(name: str) -> str:
    return f"task {name}"


def _ended(name: str, outcome: BaseException | None) -> dict[str, Any]:
    match outcome:
        case None:
            return {"state": TaskState.DONE, "error": ""}
        case asyncio.CancelledError():
            return {"state": TaskState.CANCELLED, "error": ""}
        case ProxyError():
            log.warning("task failed", extra={"task": name, "error": str(outcome)})
            return {"state": TaskState.FAILED, "error": str(outcome)}
        case _:
            log.error("task broke", extra={"task": name}, exc_info=outcome)
            return {"state": TaskState.FAILED, "error": f"a fault of vecferry, please report it: {outcome!r}"}
