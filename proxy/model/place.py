"""The two places of a migration. They never change; which of them is primary does."""

from __future__ import annotations

from enum import StrEnum


class Place(StrEnum):
    SOURCE = "source"
    TARGET = "target"

    @property
    def other(self) -> Place:
        return Place.TARGET if self is Place.SOURCE else Place.SOURCE
