"""What a measurement found, beside its goal; medians, and how they are shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of many measurements, and the quartiles around it: how far the machine's noise goes."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        low, _, high = statistics.quantiles(values, n=4)
        return cls(statistics.median(values), low, high)

    def __str__(self) -> str:
        return f"quartiles {self.low:.2f} to {self.high:.2f}"


@dataclass(frozen=True, slots=True)
class Goal:
    """`at_least` or `at_most` it, in the figure's unit. `within_quartiles`: missed only where both quartiles miss it."""

    limit: float
    at_least: bool = False
    within_quartiles: bool = False

    def met(self, value: float, spread: Spread | None = None) -> bool:
        if self.within_quartiles and spread is not None:
            value = spread.high if self.at_least else spread.low
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}{' within quartiles' if self.within_quartiles else ''}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. `value` None: not measured, and `note` says why."""

    name: str
    value: float | None
    unit: str
    goal: Goal | None = None
    note: str = ""
    spread: Spread | None = None

    @property
    def met(self) -> bool | None:
        """None where there is no goal."""
        if self.goal is None:
            return None
        return self.value is not None and self.goal.met(self.value, self.spread)

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "goal": None if self.goal is None else str(self.goal), "met": self.met}


def percentiles(values: Sequence[float]) -> str:
    p50, p99 = np.percentile(values, [50, 99])
    return f"p50 {p50:.1f}, p99 {p99:.1f}, max {max(values):.1f}"


def missing(name: str, unit: str, goal: Goal | None, why: str) -> Figure:
    return Figure(name, None, unit, goal, f"not measured: {why}")


def table(title: str, figures: Sequence[Figure]) -> Table:
    shown = Table("figure", "value", "unit", "goal", "met", "note", title=title)
    verdicts = {None: "", True: "[green]yes[/]", False: "[bold red]NO[/]"}
    for figure in figures:
        value = "-" if figure.value is None else f"{figure.value:.4g}"
        shown.add_row(figure.name, value, figure.unit, str(figure.goal or ""), verdicts[figure.met], figure.note)
    return shown
