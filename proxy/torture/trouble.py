"""What happens to the sidecar while its clients work: kill -9, and changes of primary.

Owns: when, seeded, and what a refusal means. Not: how it is done (sidecar.py), what the clients make of it.
"""

from __future__ import annotations

import random
import threading
from typing import Final, TypeAlias

from proxy.errors import Refused, Unavailable
from proxy.torture.history import Change
from proxy.torture.log import Log
from proxy.torture.sidecar import Admin, Child
from proxy.torture.worker import Worker

Pause: TypeAlias = tuple[float, float]
KILLS_ALONE: Final[Pause] = (2.0, 8.0)
"""Seconds, from ready to dead."""
KILLS_BESIDE_CHANGES: Final[Pause] = (5.0, 30.0)
"""A change needs a verify, and its gates: some of them must come to their end."""
BETWEEN_CHANGES: Final[Pause] = (1.0, 5.0)
TASK_SECONDS: Final = 120.0
ANSWER_SECONDS: Final = 120.0
COMMANDS: Final = {"source": "cutover", "target": "rollback"}
"""By the primary that is left."""
OF_QUALITY: Final = frozenset({"recall", "tail", "latency", "violations", "reads", "errors", "unanswerable"})
"""Gates about the target's answers: a run overrules them. It overrules none that protects data."""


class Killer(Worker):
    def __init__(self, child: Child, pause: Pause, chance: random.Random, stop: threading.Event) -> None:
        super().__init__(chance, stop)
        self._child = child
        self._pause = pause

    def work(self) -> None:
        while not self.stop.wait(self.chance.uniform(*self._pause)):
            self._child.check()
            self._child.kill()


class Turner(Worker):
    """Verifies the run's collections and changes the primary, again and again.

    `refused`: why the last try was called off. `calm` is held meanwhile.
    """

    def __init__(
        self, admin: Admin, log: Log, prefix: str, calm: threading.Lock, chance: random.Random, stop: threading.Event
    ) -> None:
        super().__init__(chance, stop)
        self._calm = calm
        self._admin = admin
        self._log = log
        self._prefix = prefix
        self.made = 0
        self.called_off = 0
        self.refused = ""

    def work(self) -> None:
        while not self.stop.wait(self.chance.uniform(*BETWEEN_CHANGES)):
            with self._calm:
                self.turn()

    def turn(self) -> bool:
        """Whether the primary changed. A closed gate calls it off, and so does a sidecar that dies before it is committed."""
        before, begin = self._epoch(), self._log.now
        try:
            self._verify()
            begin = self._log.now
            self._change()
        except (Refused, Unavailable) as error:
            self.refused = str(error)
        after = self._epoch()
        if after == before:
            self.called_off += 1
            return False
        self._log.changed(Change(after, begin, self._log.now))
        self.made += 1
        return True

    def _verify(self) -> None:
        ours = [name for name in self._admin.status()["collections"] if name.startswith(self._prefix)]
        self._admin.task("verify", ours, TASK_SECONDS)

    def _change(self) -> None:
        status = self._admin.status()
        gates = [gate["name"] for gate in status["gates"] if not gate["ok"]]
        forced = [name for name in gates if name.partition(":")[0] in OF_QUALITY]
        words = {"who": "vecferry torture", "why": "a run of vecferry torture"}
        self._admin.call("POST", f"/v1/{COMMANDS[status['primary']]}", force=forced, **words)

    def _epoch(self) -> int:
        return int(self._admin.status_again(ANSWER_SECONDS)["epoch"])
