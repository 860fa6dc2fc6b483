"""Runs many seeds of a story, with rules added and faults put in by name; says how to see one of them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from faults.simulation.fleet import FLEET
from faults.simulation.judge import Verdict, trial
from faults.simulation.seeded import FAULTS
from faults.simulation.story import STORIES, Story


@dataclass(frozen=True, slots=True)
class Setting:
    """A story, or that of a fault. `without`: a fleet's rule that is left out; a fleet has all the others."""

    story: Story
    fault: str = ""
    without: str = ""

    @classmethod
    def named(cls, name: str, without: str = "") -> Setting:
        """Of a story or of a fault."""
        return cls(FAULTS[name].story, name) if name in FAULTS else cls(STORIES[name], without=without)

    @contextmanager
    def rules(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            if self.fault:
                FAULTS[self.fault].apply(patch)
            for name, change in FLEET.items():
                if self.story.sidecars > 1 and name != self.without:
                    change(patch)
            yield

    def bad(self, seeds: Iterable[int]) -> Iterator[int]:
        """Where something is wrong. With a rule left out, only what differs in the end: some worlds never rest with it."""
        return (seed for seed, verdict in self.verdicts(seeds) if not verdict.good and (verdict.rests or not self.without))

    def verdicts(self, seeds: Iterable[int]) -> Iterator[tuple[int, Verdict]]:
        with self.rules():
            for seed in seeds:
                yield seed, trial(seed, self.story)

    def trace(self, seed: int) -> tuple[Verdict, list[str]]:
        lines: list[str] = []
        with self.rules():
            return trial(seed, self.story, lines), lines

    def again(self, seed: int) -> str:
        """The command that shows it step by step."""
        without = f" --without {self.without}" if self.without else ""
        return f"PYTHONPATH=tests .venv/bin/python -m faults.simulation '{self.fault or self.story.name}' {seed}{without}"


def report(setting: Setting, verdicts: Mapping[int, Verdict]) -> str:
    return "\n".join(
        f"seed {seed}: {'; '.join(verdict.findings)}\n  {setting.again(seed)}"
        for seed, verdict in verdicts.items()
        if not verdict.good
    )
