"""A run of torture from its first call to its verdict: `vecferry torture`.

Owns: the order of things, and that nothing is left behind. Not: what clients do (clients.py), troubles (trouble.py), the judge
(check.py).
"""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from proxy import config as settings
from proxy.config import Config
from proxy.errors import ProxyError, Refused, Unavailable
from proxy.model.phase import Phase
from proxy.torture.clients import clients, create, shapes
from proxy.torture.history import Recorder
from proxy.torture.log import Log
from proxy.torture.products import APPLICATIONS, Application, address, check_pair
from proxy.torture.report import Report
from proxy.torture.sidecar import Admin, Child
from proxy.torture.trouble import KILLS_ALONE, KILLS_BESIDE_CHANGES, Killer, Turner
from proxy.torture.verdict import REST_SECONDS, Court
from proxy.torture.worker import Worker, check, join

JOIN_SECONDS: Final = 180.0
TURNS: Final = 10
"""Tries to give the primary back."""
WATCH: Final = 0.2
NAME: Final = "vecferry_torture"
_ADVICE: Final[Mapping[str, str]] = {
    Phase.PASSTHROUGH: "nothing is mirrored in phase passthrough: `vecferry phase mirror` first",
    Phase.COMPLETE: "nothing is mirrored in phase complete: there is no pair to torture any more",
}

Show: TypeAlias = Callable[[str, float, float], None]
"""(what happens, seconds done, seconds in all)"""


@dataclass(frozen=True, slots=True)
class Options:
    """`history`: where the calls are kept. `spawn`: the sidecar is a child of the run, killed and started again."""

    config: Path
    seconds: float
    seed: int
    clients: int
    history: Path
    keep: bool = False
    change_primary: bool = False
    spawn: bool = False


def run(options: Options, show: Show) -> Report:
    """Raises Refused for what cannot be done as asked, Unavailable where it could not be brought to its end."""
    config = settings.load(options.config)
    check_pair(config)
    with ExitStack() as stack:
        return _Torture(options, config, stack, show).run()


class _Torture:
    """One run; what it enters ends with `stack`."""

    def __init__(self, options: Options, config: Config, stack: ExitStack, show: Show) -> None:
        self._options = options
        self._config = config
        self._stack = stack
        self._show = show
        self._admin = stack.enter_context(closing(Admin(config)))
        self._child = self._spawn() if options.spawn else None
        self._phase = self._admin.status()["phase"]
        if (advice := _ADVICE.get(self._phase)) is not None:
            raise Refused(advice)
        self._prefix = f"{NAME}_{secrets.token_hex(3)}"
        self._of = shapes(self._prefix)
        self._log = Log(stack.enter_context(Recorder(options.history)))
        self._stop = threading.Event()
        stack.callback(self._stop.set)

    def _spawn(self) -> Child:
        if self._admin.ready():
            raise Refused("a sidecar is running already: stop it, or leave out --spawn")
        child = Child(self._options.config, self._options.history.with_suffix(".sidecar.log"), self._admin)
        self._stack.callback(child.stop)
        return child.start()

    def run(self) -> Report:
        application = self._connect()
        stages = len(self._admin.call("GET", "/v1/history"))
        court = Court(self._config, self._admin, list(self._of.values()), application, stages)
        try:
            self._create(application)
            turner = self._work()
            self._show("all comes to rest, and is judged", 0.0, 0.0)
            judged = court.judge(self._options.history)
        except ProxyError as error:
            for note in self._clean_up(application):
                error.add_note(note)
            raise
        return Report(
            prefix=self._prefix,
            seed=self._options.seed,
            seconds=self._options.seconds,
            calls={outcome.value: count for outcome, count in self._log.told.items()},
            kills=self._child.kills if self._child else 0,
            changes=turner.made,
            called_off=turner.called_off,
            why_off=turner.refused,
            debts=dict(judged.debts),
            owed=judged.owed,
            verdict=judged.verdict,
            left=(*self._give_back(turner), *self._clean_up(application)),
            history=str(self._options.history),
        )

    def _connect(self) -> Application:
        token = self._config.source.token
        make = APPLICATIONS[self._config.source.product]
        return self._stack.enter_context(closing(make(address(self._config), token.get_secret_value() if token else "")))

    def _create(self, application: Application) -> None:
        """All but the one that comes and goes."""
        self._show("its collections are made", 0.0, 0.0)
        for name in ("rows", "filtered", "made"):
            made = create(self._log, application, self._of[name])
            if not made.acknowledged and name != "made":  # a foreign primary may refuse to make ids
                raise Unavailable(f"the collection {self._of[name].name} cannot be made: {made.note}")

    # ---- the work ----

    def _work(self) -> Turner:
        options = self._options
        trouble = threading.Event()
        calm = threading.Lock()
        turner = Turner(self._admin, self._log, self._prefix, calm, random.Random(f"{options.seed}/turns"), trouble)
        troubles: list[Worker] = [turner] if options.change_primary else []
        if self._child is not None:
            pause = KILLS_BESIDE_CHANGES if options.change_primary else KILLS_ALONE
            troubles.append(Killer(self._child, pause, random.Random(f"{options.seed}/kills"), trouble))
        callers = clients(self._log, self._connect, options.clients, options.seed, self._of, calm, self._stop)
        for worker in (*troubles, *callers):
            worker.start()
        self._watch([*troubles, *callers])
        trouble.set()
        join(troubles, JOIN_SECONDS)
        self._stop.set()
        join(callers, JOIN_SECONDS)
        return turner

    def _watch(self, workers: list[Worker]) -> None:
        """Until the time is over; the clients learn each epoch from here."""
        end = self._log.now + self._options.seconds
        while (now := self._log.now) < end:
            check(workers)
            try:
                self._log.epoch = self._admin.status()["epoch"]
            except Unavailable:
                if self._child is None:
                    raise
            told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self._log.told.items()))
            self._show(f"epoch {self._log.epoch}, {told}", self._options.seconds - (end - now), self._options.seconds)
            self._stop.wait(WATCH)

    # ---- what is left behind ----

    def _give_back(self, turner: Turner) -> Iterator[str]:
        """The primary and the phase that were found."""
        if turner.made % 2 and not any(turner.turn() for _ in range(TURNS)):
            yield f"the primary could not be given back: {turner.refused}"
            return
        if turner.made and self._phase not in (Phase.CUTOVER, self._admin.status()["phase"]):
            self._admin.call("POST", "/v1/phase", phase=self._phase, who="vecferry torture", why="as it was before")

    def _clean_up(self, application: Application) -> Iterator[str]:
        if self._options.keep:
            return
        self._show("its collections are dropped", 0.0, 0.0)
        for shape in self._of.values():
            try:
                application.drop(shape.name)
            except Refused:
                continue  # it is not there
            except Unavailable as error:
                yield f"{shape.name} may be left behind: {error}"
        try:
            self._admin.drained(REST_SECONDS)
        except (Refused, Unavailable) as error:
            yield f"{self._prefix}_* may be left behind on the secondary: {error}"
