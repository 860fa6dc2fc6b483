"""The end of a run: all comes to rest, both databases are read with their own SDKs, debts are paid, and the judge is asked.

Owns: what is read when. Not: what is right (check.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from proxy.config import Config, SideConfig
from proxy.model.phase import Phase
from proxy.torture.check import Contents, Run, Stage, Trust, Verdict, Violation, check
from proxy.torture.clients import itself
from proxy.torture.history import History, Key, Value, read
from proxy.torture.products import READERS, Application, check_pair
from proxy.torture.register import THERE
from proxy.torture.rows import Shape, fault
from proxy.torture.sidecar import Admin

REST_SECONDS: Final = 120.0
"""For the mirror to come to rest, beside what it waits for requests that were given up."""
TASK_SECONDS: Final = 300.0
UNPAID: Final = "a debt that verify and repair do not pay"
STOPPED: Final = "a part of the sidecar that a fault of ours stopped"


@dataclass(frozen=True, slots=True)
class Judged:
    """`debts`: those that stood when all was quiet; `owed`: keys that differed under them."""

    verdict: Verdict
    debts: Mapping[str, str]
    owed: int


@dataclass(frozen=True, slots=True)
class Court:
    """`seen_stages`: rows of the admin API's history before the run. Everything raises Refused or Unavailable."""

    config: Config
    admin: Admin
    shapes: Sequence[Shape]
    application: Application
    seen_stages: int

    def judge(self, path: Path) -> Judged:
        """`path`: of the history."""
        patience = REST_SECONDS + 3 * self.config.mirror.linger
        self.admin.drained(patience)
        history, debts = read(path), self._debts()
        first = self._check(history, debts)
        if not debts:
            return Judged(self._with_faults(first), {}, 0)
        for task in ("verify", "repair", "verify"):  # only a verify that finds nothing pays a debt
            self.admin.task(task, list(debts), TASK_SECONDS)
        self.admin.drained(patience)
        second = self._check(history, {})
        unpaid = [Violation(UNPAID, name, (why,)) for name, why in self._debts().items()]
        found = dict.fromkeys([*first.violations, *second.violations, *unpaid])
        return Judged(self._with_faults(replace(second, violations=tuple(found))), debts, len(first.owed))

    def _with_faults(self, verdict: Verdict) -> Verdict:
        faults = self.admin.status()["faults"].items()
        found = tuple(Violation(STOPPED, part, (fault,)) for part, fault in faults)
        return replace(verdict, violations=(*verdict.violations, *found))

    def _debts(self) -> dict[str, str]:
        """Of the run's own collections; a parked row is one too."""
        names = {shape.name for shape in self.shapes}
        parked = {row["collection"]: f"parked: {row['reason']}" for row in self.admin.call("GET", "/v1/parked")}
        return {name: why for name, why in {**parked, **self.admin.status()["debts"]}.items() if name in names}

    def _check(self, history: History, owed: Mapping[str, str]) -> Verdict:
        stages = list(reversed(self.admin.call("GET", "/v1/history")))
        during = [stage["phase"] for stage in stages[max(self.seen_stages - 1, 0) :]]
        source, target = (self._contents(side) for side in (self.config.source, check_pair(self.config)))
        primary, secondary = (source, target) if self.admin.status()["primary"] == "source" else (target, source)
        run = Run(
            history=history,
            primary=primary,
            secondary=secondary,
            stages=[Stage(stage["epoch"], stage["primary"]) for stage in stages],
            owed=owed,
            filter_lag=self.application.filter_lag,
            # In phase canary the secondary answers, and nobody promises that it has everything yet.
            trust=Trust.NONE if Phase.CANARY in during else self.application.trust,
        )
        return check(run)

    def _contents(self, side: SideConfig) -> Contents:
        rows: dict[Key, Value] = {}
        torn: dict[Key, str] = {}
        with closing(READERS[side.product](side)) as reader:
            for shape in self.shapes:
                found = reader.rows(shape.name)
                if found is not None:
                    rows[itself(shape)] = THERE
                    _sort(shape, found, rows, torn)
        return Contents(rows, torn)


def _sort(shape: Shape, found: Iterable[tuple[str, Mapping[str, Any]]], rows: dict[Key, Value], torn: dict[Key, str]) -> None:
    for partition, row in found:
        key = Key(shape.name, partition, row["id"])
        wrong = "it is there twice" if key in rows else fault(shape, row)
        rows[key] = row["version"]
        if wrong:
            torn[key] = wrong
