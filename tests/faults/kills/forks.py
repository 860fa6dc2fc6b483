"""A process that has imported everything and forks one life after the other: a start then costs milliseconds.

As a module it is that process; `Forks` is its other end, in the test.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.kills.life import Born, live
from tests.faults.kills.points import Point, arm
from tests.servers.process import die_with_parent, dying_with_parent

ROOT: Final = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Fate:
    """`address`: where it listens, as all lives of its world. `point` None: it is not killed from inside."""

    born: Born
    address: Path
    point: Point | None = None
    nth: int = 1


def serve() -> None:
    """Reads fates, tells of each life its pid, and how it ended: a negative number is the signal that killed it."""
    assert threading.active_count() == 1, "a process with threads must not fork"
    gc.freeze()
    address, listening = Path(), socket.socket(socket.AF_UNIX)
    print(os.getpid(), flush=True)
    while True:
        try:
            fate: Fate = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        if fate.address != address:
            listening.close()
            address, listening = fate.address, _listening(fate.address)
        pid = os.fork()
        if not pid:
            _live(fate, listening)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _listening(address: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(address))
    made.listen(128)
    return made


def _live(fate: Fate, listening: socket.socket) -> None:
    die_with_parent()
    log = os.open(fate.born.folder / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        if fate.point is not None:
            arm(fate.point, fate.nth)
        live(fate.born, listening)
    except BaseException:  # noqa: BLE001  told by the exit code and in the log; a child must never return into the server
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


class Forks:
    """One life at a time. It takes seconds to make, so all worlds of a test run share it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            dying_with_parent([sys.executable, "-m", __name__]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OPENBLAS_NUM_THREADS": "1"},
        )
        self._life: int | None = None
        """Its pidfd: a number that is never another process's."""
        self._line()

    def begin(self, fate: Fate) -> None:
        assert self._process.stdin is not None
        pickle.dump(fate, self._process.stdin)
        self._process.stdin.flush()
        pid = self._line()
        with suppress(ProcessLookupError):  # dead already
            self._life = os.pidfd_open(pid)

    async def ended(self) -> int:
        """How this life ended, when it has."""
        if self._life is not None:
            ended = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.add_reader(self._life, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(self._life)
        return self._forget()

    def kill(self) -> None:
        if self._life is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._life, signal.SIGKILL)

    def end(self) -> None:
        """The life of a world that is over."""
        self.kill()
        if self._life is not None:
            self._forget()

    def close(self) -> None:
        self.end()
        self._process.communicate()

    def _forget(self) -> int:
        if self._life is not None:
            os.close(self._life)
        self._life = None
        return self._line()

    def _line(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


if __name__ == "__main__":
    serve()
