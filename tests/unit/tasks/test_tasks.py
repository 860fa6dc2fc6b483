"""Named tasks: one status, whatever happens to them."""

import asyncio
import re
from contextlib import asynccontextmanager

import pytest

from proxy.clock import SystemClock
from proxy.errors import AlreadyExists, NotFound, Refused, Unavailable
from proxy.store.checkpoints import Checkpoints
from proxy.store.store import Store
from proxy.tasks.task import TaskState
from proxy.tasks.tasks import Tasks


@pytest.fixture
def checkpoints(tmp_path):
    store = Store(tmp_path / "state.db")
    yield Checkpoints(store)
    store.close()


class Job:
    """Reports once, then waits until it is let go; says how often it began."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error, self.begun, self.asked = error, 0, ()
        self.reported, self.let_go = asyncio.Event(), asyncio.Event()

    async def run(self, collections, progress) -> None:
        self.begun += 1
        self.asked = collections
        progress.report(5, 10)
        self.reported.set()
        await self.let_go.wait()
        await progress.turn()
        if self.error:
            raise self.error
        progress.report(10, 10)


@asynccontextmanager
async def tasks_of(checkpoints, **jobs: Job):
    tasks = Tasks({name: job.run for name, job in jobs.items()}, checkpoints, SystemClock())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(tasks.run())
        await asyncio.sleep(0.01)
        yield tasks
        running.cancel()


async def test_a_task_runs_from_start_to_done(checkpoints):
    job = Job()
    async with tasks_of(checkpoints, copy=job) as tasks:
        assert tasks.status("copy").state is TaskState.IDLE
        started = await tasks.start("copy", ("a", "b"))
        assert (started.state, started.started is not None) == (TaskState.RUNNING, True)
        await job.reported.wait()
        job.let_go.set()
        ended = await tasks.wait("copy")
    assert (ended.state, ended.done, ended.total, job.asked) == (TaskState.DONE, 10, 10, ("a", "b"))
    assert ended.finished >= ended.started
    assert ended.rate > 0


async def test_one_task_of_a_name_runs_at_a_time(checkpoints):
    async with tasks_of(checkpoints, copy=Job()) as tasks:
        await tasks.start("copy")
        with pytest.raises(AlreadyExists, match="copy is running"):
            await tasks.start("copy")
        await tasks.pause("copy")
        with pytest.raises(AlreadyExists, match="copy is paused"):
            await tasks.start("copy")


async def test_a_task_that_is_asked_for_before_the_tasks_run_is_not_kept_as_running(checkpoints):
    tasks = Tasks({"copy": Job().run}, checkpoints, SystemClock())
    with pytest.raises(Unavailable, match="cannot run yet"):
        await tasks.start("copy")
    assert tasks.status("copy").state is TaskState.IDLE


async def test_an_unknown_task_is_refused_with_the_names_there_are(checkpoints):
    async with tasks_of(checkpoints, copy=Job(), check=Job()) as tasks:
        with pytest.raises(NotFound, match="no task paste; there are copy, check"):
            await tasks.start("paste")


@pytest.mark.parametrize(
    ("error", "said"), [(Refused("no room"), "no room"), (RuntimeError("oops"), "a fault of vecferry.*RuntimeError")]
)
async def test_a_failed_task_keeps_its_error_and_harms_no_other(checkpoints, error, said):
    bad, good = Job(error), Job()
    async with tasks_of(checkpoints, bad=bad, good=good) as tasks:
        await tasks.start("bad")
        await tasks.start("good")
        bad.let_go.set()
        failed = await tasks.wait("bad")
        assert failed.state is TaskState.FAILED
        assert re.match(said, failed.error)
        good.let_go.set()
        assert (await tasks.wait("good")).state is TaskState.DONE
        bad.error = None
        await tasks.start("bad")
        again = await tasks.wait("bad")
    assert (again.state, again.error) == (TaskState.DONE, "")


async def test_a_paused_task_waits_at_its_next_turn(checkpoints):
    job = Job()
    async with tasks_of(checkpoints, copy=job) as tasks:
        await tasks.start("copy")
        await tasks.pause("copy")
        job.let_go.set()
        await asyncio.sleep(0.01)
        assert (tasks.status("copy").state, tasks.status("copy").done) == (TaskState.PAUSED, 5)
        with pytest.raises(Refused, match="paused, not running"):
            await tasks.pause("copy")
        await tasks.resume("copy")
        assert (await tasks.wait("copy")).state is TaskState.DONE


async def test_a_cancelled_task_can_be_started_again(checkpoints):
    job = Job()
    async with tasks_of(checkpoints, copy=job) as tasks:
        with pytest.raises(Refused, match="nothing to cancel"):
            await tasks.cancel("copy")
        await tasks.start("copy")
        assert (await tasks.cancel("copy")).state is TaskState.CANCELLED
        job.let_go.set()
        await tasks.start("copy")
        assert (await tasks.wait("copy")).state is TaskState.DONE


async def test_a_running_task_goes_on_after_a_restart(checkpoints):
    job = Job()
    async with tasks_of(checkpoints, copy=job, idle=Job()) as tasks:
        started = await tasks.start("copy", ("a",))
        await job.reported.wait()
    async with tasks_of(checkpoints, copy=job, idle=Job()) as tasks:
        assert tasks.status("copy").state is TaskState.RUNNING
        assert tasks.status("copy").started == started.started
        job.let_go.set()
        assert (await tasks.wait("copy")).state is TaskState.DONE
        assert tasks.status("idle").state is TaskState.IDLE
    assert (job.begun, job.asked) == (2, ("a",))


async def test_a_task_asked_for_while_the_last_state_is_read_runs_once(checkpoints):
    job = Job()
    tasks = Tasks({"read first": Job().run, "copy": job.run}, checkpoints, SystemClock())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(tasks.run())
        await asyncio.sleep(0)
        await tasks.start("copy")
        await job.reported.wait()
        job.let_go.set()
        assert (await tasks.wait("copy")).state is TaskState.DONE
        running.cancel()
    assert job.begun == 1


async def test_a_paused_task_is_still_paused_after_a_restart(checkpoints):
    job = Job()
    job.let_go.set()
    async with tasks_of(checkpoints, copy=job) as tasks:
        await tasks.start("copy")
        await tasks.pause("copy")
    async with tasks_of(checkpoints, copy=job) as tasks:
        assert tasks.status("copy").state is TaskState.PAUSED
        await tasks.resume("copy")
        assert (await tasks.wait("copy")).state is TaskState.DONE


async def test_how_a_task_ended_is_known_after_a_restart(checkpoints):
    job = Job(Refused("no room"))
    job.let_go.set()
    async with tasks_of(checkpoints, copy=job) as tasks:
        await tasks.start("copy")
        ended = await tasks.wait("copy")
    async with tasks_of(checkpoints, copy=job) as tasks:
        assert tasks.status("copy") == ended
    assert job.begun == 1


async def test_what_a_task_waits_for_is_told_until_it_goes_on(checkpoints):
    async def job(collections, progress) -> None:
        progress.stalled("down")
        await progress.turn()
        progress.report(1, 1)

    tasks = Tasks({"copy": job}, checkpoints, SystemClock())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(tasks.run())
        await asyncio.sleep(0.01)
        await tasks.start("copy")
        await tasks.pause("copy")
        assert tasks.status("copy").error == "down"
        await tasks.resume("copy")
        assert (await tasks.wait("copy")).error == ""
        running.cancel()


async def test_a_task_that_cannot_be_made_durable_is_not_started(checkpoints):
    class Full(Checkpoints):
        async def save(self, task, document) -> None:
            raise Unavailable("the disk is full")

    checkpoints.__class__ = Full
    job = Job()
    async with tasks_of(checkpoints, copy=job) as tasks:
        with pytest.raises(Unavailable):
            await tasks.start("copy")
        assert tasks.status("copy").state is TaskState.IDLE
    assert job.begun == 0
