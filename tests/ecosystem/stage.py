"""A migration from its first phase to its last, and the cast that works through all of it beside one that needs no sidecar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import pytest

from tests.ecosystem.cast import Cast, differences
from tests.environments import NoClient
from tests.servers.sidecar import Sidecar

OF_FEW_READS: Final = ("recall", "tail", "latency", "violations", "errors")
"""Gates that want more reads than a test has the time for."""
MAKES_ENVIRONMENTS: Final = pytest.mark.timeout(1800)
"""On a fresh machine it installs the packages first."""
SHOWN: Final = 10
Programs: TypeAlias = Mapping[str, Callable[[], list[str]]]
Refusals: TypeAlias = Mapping[tuple[str, str], str]
"""(program, step) -> words."""


class Stage:
    """`direct` and `through`: where programs find the source without the sidecar, and with it.

    `refused`: once the target is the primary.
    """

    def __init__(
        self,
        programs: Programs,
        sidecar: Sidecar,
        direct: tuple[str, ...],
        through: tuple[str, ...],
        folder: Path,
        refused: Refusals,
    ) -> None:
        try:
            self._cast = Cast(programs, folder)
        except NoClient as missing:
            pytest.skip(str(missing))
        # Only so does a read of the secondary show what the same client has just written.
        sidecar.settings["mirror"] = {"mode": "sync", "sync_timeout": "20s"}
        sidecar.settings["routing"] = {"shadow": 1.0, "canary": 0.5}
        self.sidecar = sidecar
        self._direct, self._through = direct, through
        self._refused = refused
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.sidecar)
        self._stack.enter_context(self._cast)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def play(self) -> None:
        """One collection that lives through all phases, and one that is made after the first cutover."""
        self.turn(1)
        self.sidecar.copy()
        self.turn(2)
        self.sidecar.enter("canary")
        self.turn(3)
        self.change("cutover")
        self.turn(4)
        self.turn(1, "made_later")
        self.change("rollback")
        self.turn(5)
        self.turn(2, "made_later")
        self.change("cutover")
        self.sidecar.enter("complete")
        self.turn(6)

    def turn(self, number: int, collection: str = "long_lived") -> None:
        """Here and there all see the same, but for what is refused by these words."""
        direct = self._cast.take(self._direct, collection, number)
        assert (said := errors(direct)) == [], said
        through = self._cast.take(self._through, collection, number)
        assert (said := errors(through)) == [], said
        for (name, step), words in self._refusals().items():
            assert words in through[name].pop(step)["refused"]
            del direct[name][step]
        found = list(differences(direct, through))
        assert found == [], f"{collection}, turn {number}: {found[:SHOWN]}"

    def change(self, command: str) -> None:
        """Both sides are equal before, and so was all that was compared until then; what will be refused was counted."""
        self.sidecar.drained()
        assert self.sidecar.task("verify")["found"] == 0, self.sidecar.get("/v1/diff")
        shadows = [found["shadow"] for found in self.sidecar.status()["collections"].values() if found["shadow"]]
        assert [shadow for shadow in shadows if shadow["errors"] or shadow["unequal"]] == [], self.sidecar.status()["shadow"]
        if command == "cutover":
            assert bool(self.sidecar.get("/v1/assess")["unanswerable"]) == bool(self._refused)
            self.sidecar.change(command, *OF_FEW_READS, *["unanswerable"] * bool(self._refused))
        else:
            self.sidecar.change(command)

    def _refusals(self) -> Refusals:
        return self._refused if self.sidecar.status()["primary"] == "target" else {}


def errors(saw: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(name, steps["error"]) for name, steps in saw.items() if "error" in steps]
