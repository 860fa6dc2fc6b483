"""The state directory: locked, foreign, unclean, after a power loss."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.clock import SystemClock
from proxy.config import SideConfig
from proxy.errors import Broken, Refused, Unavailable
from proxy.model.schema import Product
from proxy.store.state_dir import Identity, StateDir

OURS = Identity("milvus http://a:1", "qdrant http://b:2")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state"


def state(path: Path) -> StateDir:
    return StateDir(path, SystemClock())


async def stopped(path: Path, identity: Identity = OURS) -> None:
    one = state(path)
    await one.acquire(identity)
    one.release()


async def test_only_its_owner_may_look_into_it(path):
    one = state(path)
    await one.acquire(OURS)
    assert path.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o600}
    one.release()


async def test_what_others_could_read_is_closed_and_told(path, caplog):
    await stopped(path)
    path.chmod(0o755)
    (path / "migration.json").chmod(0o644)
    (path / "notes").write_text("not ours")
    (path / "notes").chmod(0o644)
    (path / "state.db").symlink_to(path / "notes")
    await stopped(path)
    modes = {file.name: file.lstat().st_mode & 0o777 for file in (path, path / "migration.json", path / "notes")}
    assert modes == {path.name: 0o700, "migration.json": 0o600, "notes": 0o644}
    [told] = caplog.records
    assert told.files == [str(path), str(path / "migration.json")]


async def test_a_locked_directory_names_the_process_that_holds_it(path):
    one = state(path)
    await one.acquire(OURS)
    with pytest.raises(Unavailable, match=f"in use by process {os.getpid()}"):
        await state(path).acquire(OURS)
    one.release()
    await stopped(path)


async def test_a_takeover_waits_for_the_lock(path):
    one, two = state(path), state(path)
    await one.acquire(OURS)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        takeover = tasks.create_task(two.acquire(OURS, wait=5))
        await asyncio.sleep(0.05)
        assert not takeover.done()
        one.release()
    assert not two.unclean
    two.release()


async def test_the_state_of_another_migration_is_refused(path):
    await stopped(path)
    with pytest.raises(Refused, match=r"milvus http://a:1 -> qdrant http://b:2, not to .*another `state` directory"):
        await state(path).acquire(Identity("milvus http://a:1", "qdrant http://c:3"))
    with pytest.raises(Refused, match="belongs to the migration"):
        await state(path).acquire(Identity("milvus http://z:1", ""))
    await stopped(path)


async def test_a_target_may_be_named_later_and_left_out_again(path):
    without = Identity(OURS.source, "")
    await stopped(path, without)
    await stopped(path, OURS)
    await stopped(path, without)
    with pytest.raises(Refused):
        await stopped(path, Identity(OURS.source, "qdrant http://other:1"))


async def test_the_state_of_a_later_version_is_refused(path):
    await stopped(path)
    (path / "migration.json").write_text('{"format": 99, "unknown": []}')
    with pytest.raises(Refused, match="format 99"):
        await state(path).acquire(OURS)


async def test_a_damaged_identity_is_told(path):
    await stopped(path)
    (path / "migration.json").write_text('{"format": 1')
    with pytest.raises(Broken, match="damaged"):
        await state(path).acquire(OURS)


async def test_a_stop_in_order_is_clean(path):
    await stopped(path)
    one = state(path)
    await one.acquire(OURS)
    assert (one.unclean, one.after_power_loss) == (False, False)
    one.release()


def killed_holder(path: Path) -> None:
    code = (
        "import asyncio, os, pathlib, sys\n"
        "from proxy.clock import SystemClock\n"
        "from proxy.store.state_dir import Identity, StateDir\n"
        f"one = StateDir(pathlib.Path({str(path)!r}), SystemClock())\n"
        f"asyncio.run(one.acquire(Identity({OURS.source!r}, {OURS.target!r})))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)


async def test_a_killed_process_leaves_an_unclean_state_and_no_lock(path):
    killed_holder(path)
    one = state(path)
    await one.acquire(OURS)
    assert (one.unclean, one.after_power_loss) == (True, False)
    one.release()


async def test_a_power_loss_is_told_until_it_is_acknowledged(path):
    await stopped(path)
    (path / "running").write_text("another boot")
    for _ in range(2):
        one = state(path)
        await one.acquire(OURS)
        assert one.after_power_loss
        one._unlock()  # as if killed
    await one.acquire(OURS)
    one.acknowledge()
    one._unlock()
    await one.acquire(OURS)
    assert (one.unclean, one.after_power_loss) == (True, False)
    one.release()


def test_an_identity_has_no_secret():
    side = SideConfig(product=Product.MILVUS, url="http://a:1/", token="root:pw")  # type: ignore[arg-type]
    assert Identity.of(side, None) == Identity("milvus http://a:1", "")


async def test_a_first_start_that_failed_leaves_nothing_but_what_is_not_ours(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    state = StateDir(tmp_path, SystemClock())
    await state.acquire(Identity("milvus http://typo", ""))
    state.database.touch()
    state.abandon()
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "notes.txt"}
    await StateDir(tmp_path, SystemClock()).acquire(Identity("milvus http://right", ""))


async def test_a_migration_that_has_begun_is_kept_by_a_start_that_fails(tmp_path) -> None:
    first = StateDir(tmp_path, SystemClock())
    await first.acquire(Identity("milvus http://a", ""))
    first.begin()
    first.abandon()
    second = StateDir(tmp_path, SystemClock())
    await second.acquire(Identity("milvus http://a", ""))
    assert second.unclean
    second.abandon()
    assert (tmp_path / "migration.json").exists()
