"""What an answer shows of its points, whichever protocol prints it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from proxy.errors import Broken
from proxy.frontends.qdrant.selectors import PayloadSelector, shown_payload
from proxy.model.operation import Answers, Hit, Page, Result
from proxy.model.point import Point, PointId, Vector

UNRANKED: Final = 1.0
"""The score of what a query without a query finds."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """`payload` and `vectors` None: not asked for."""

    id: PointId
    payload: dict[str, Any] | None
    vectors: Mapping[str, Vector] | None
    score: float = UNRANKED


Row: TypeAlias = tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a request asks to see. `default`: of the payload."""

    payload: PayloadSelector
    vectors: bool | list[str] | None
    default: bool

    def point(self, point: Point, score: float = UNRANKED) -> Shown:
        vectors = point.vectors if self.vectors else None
        return Shown(point.key.id, shown_payload(point.payload, self.payload, default=self.default), vectors, score)

    def hit(self, hit: Hit) -> Shown:
        return self.point(hit.point, hit.value)


def selection_of(body: Any, *, default: bool = False) -> Selection:
    """Of any request that shows points."""
    return Selection(body.with_payload, body.with_vector, default)


def rows_of(queries: list[Any], result: Result) -> tuple[Row, ...]:
    """The answer to each of `queries`."""
    answers = _answers(result)
    return tuple(_row(selection_of(query), answer) for query, answer in zip(queries, answers, strict=True))


def _answers(result: Result) -> tuple[tuple[Hit, ...] | Page, ...]:
    match result:
        case tuple():
            return result
        case Page():
            return (result,)
        case Answers(each):
            return tuple(answer for one in each for answer in _answers(one))
        case _:
            raise Broken(f"queries were answered with {type(result).__name__}")


def _row(selection: Selection, answer: tuple[Hit, ...] | Page) -> Row:
    if isinstance(answer, Page):
        return tuple(map(selection.point, answer.points))
    return tuple(map(selection.hit, answer))
