"""What a run found, as a document and as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from proxy.torture.check import Verdict

SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Report:
    """`changes`: of primary. `owed`: keys that differed under a debt that the sidecar showed, before verify and repair had paid
    it; `left`: what a clean-up could not undo."""

    prefix: str
    seed: int
    seconds: float
    calls: dict[str, int]
    kills: int
    changes: int
    called_off: int
    why_off: str
    debts: dict[str, str]
    owed: int
    verdict: Verdict
    left: tuple[str, ...]
    history: str

    @property
    def clean(self) -> bool:
        return not self.verdict.violations

    def document(self) -> dict[str, Any]:
        return {"clean": self.clean} | asdict(self)

    def lines(self) -> Iterator[str]:
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.calls.items()))
        yield f"{sum(self.calls.values())} calls in {self.seconds:.0f} s: {told}"
        yield f"{self.kills} kills, {self.changes} changes of primary ({self.called_off} called off)"
        if self.called_off:
            yield f"the last change that was called off: {self.why_off}"
        yield f"{self.verdict.keys} keys compared on both sides, {self.verdict.looks} looks of reads judged"
        yield from (f"debt of {name}, paid by verify and repair: {why}" for name, why in self.debts.items())
        if self.owed:
            yield f"{self.owed} keys differed under these debts until then"
        yield from self.left
        yield from (f"\n{violation}" for violation in self.verdict.violations[:SHOWN])
        if (count := len(self.verdict.violations)) > SHOWN:
            yield f"\nand {count - SHOWN} violations more, in --json"
        yield f"\nhistory of all calls: {self.history} (seed {self.seed}, collections {self.prefix}_*)"
        yield "clean: nothing is lost, and both sides are equal" if self.clean else f"VIOLATIONS: {count}"
