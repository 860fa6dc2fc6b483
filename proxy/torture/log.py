"""Where the clients of a run put what they do: numbers, times, epochs and outcomes, the same for every kind of call."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from proxy.errors import Refused, Uncertain
from proxy.torture.history import Act, Call, Change, Key, Outcome, Recorder, Value

NOTE_LIMIT: Final = 300
FIRST: Final = 1000
"""Numbers below mean something else (register.THERE)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of a call that was acknowledged. `keys`: those that it touched, where the request could not say."""

    keys: tuple[Key, ...] | None = None
    seen: Mapping[Key, Value] | None = None


Work: TypeAlias = Callable[[int], Answer]
"""Does the call of this number. Raises Refused or Uncertain."""


class Log:
    """Safe for threads. `epoch`: what the admin API said last."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._numbers = itertools.count(FIRST)
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self.epoch = 0
        self.told: Counter[Outcome] = Counter()

    @property
    def now(self) -> float:
        """Seconds of the run."""
        return time.monotonic() - self._began

    def call(self, client: int, act: Act, keys: tuple[Key, ...], work: Work, note: str = "") -> Call:
        """Runs and records it."""
        with self._lock:
            number = next(self._numbers)
        begun = Call(number, client, act, keys, self.now, note=note, epochs=(self.epoch, self.epoch))
        self._recorder.begun(begun)
        ended = self._ended(begun, work)
        self._recorder.ended(ended)
        with self._lock:
            self.told[ended.outcome] += 1
        return ended

    def _ended(self, call: Call, work: Work) -> Call:
        try:
            answer = work(call.number)
        except Refused as error:
            return self._told(call, Outcome.REFUSED, str(error))
        except Uncertain as error:
            return self._told(call, Outcome.UNKNOWN, str(error))
        told = self._told(call, Outcome.ACKNOWLEDGED)
        return replace(told, keys=call.keys if answer.keys is None else answer.keys, seen=answer.seen or {})

    def _told(self, call: Call, outcome: Outcome, error: str = "") -> Call:
        note = " ".join(f"{call.note} {error}".split())[:NOTE_LIMIT]
        return replace(call, end=self.now, outcome=outcome, epochs=(call.epochs[0], self.epoch), note=note)

    def changed(self, change: Change) -> None:
        self._recorder.changed(change)
