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
from typing import Final, Self

from tests.faults.kills.life import Born, live
from tests.faults.kills.points import Point, arm
from tests.servers.process import die_with_parent

ROOT: Final = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Fate:
    """`point` None: it is not killed from inside."""

    born: Born
    point: Point | None = None
    nth: int = 1


def serve(listening: socket.socket) -> None:
    """Reads fates, tells of each life its pid, and how it ended: a negative number is the signal that killed it."""
    assert threading.active_count() == 1, "a process with threads must not fork"
    gc.freeze()
    while True:
        try:
            fate: Fate = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pid = os.fork()
        if not pid:
            _live(fate, listening)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


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
    """`async with`: one life at a time. `address` is where each life listens."""

    def __init__(self, folder: Path) -> None:
        self.address = folder / "life.sock"
        self._life: int | None = None
        """Its pidfd: a number that is never another process's."""

    async def __aenter__(self) -> Self:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self.address))
            listening.listen(128)
            listening.set_inheritable(True)
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", __name__, str(listening.fileno())),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(listening.fileno(),),
                env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OPENBLAS_NUM_THREADS": "1"},
                preexec_fn=die_with_parent,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def begin(self, fate: Fate) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(pickle.dumps(fate))
        with suppress(ProcessLookupError):  # dead already
            self._life = os.pidfd_open(await self._line())

    async def ended(self) -> int:
        """How this life ended, when it has."""
        code = await self._line()
        if self._life is not None:
            os.close(self._life)
        self._life = None
        return code

    def kill(self) -> None:
        if self._life is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._life, signal.SIGKILL)

    async def _line(self) -> int:
        assert self._process.stdout is not None
        return int(await self._process.stdout.readline())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
