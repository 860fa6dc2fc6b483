"""Expressions of Milvus's filter language, and how they combine. Not: what a condition compiles to.

Every part is put in brackets: Milvus reads `exists a or b` as `exists (a or b)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class Expr:
    """`exact` False: the text matches more or fewer rows than asked, on the side that `Aim` says."""

    text: str
    exact: bool = True


ALWAYS: Final = Expr("true")
NEVER: Final = Expr("false")
"""Milvus has no constants: both are folded away, and what remains is said in other words by `expr.expression`."""


class Aim(Enum):
    """The side on which an inexact expression may err."""

    SUPERSET = "superset"
    SUBSET = "subset"

    @property
    def opposite(self) -> Aim:
        return Aim.SUBSET if self is Aim.SUPERSET else Aim.SUPERSET


def inexact(aim: Aim, superset: Expr, subset: Expr = NEVER) -> Expr:
    return Expr(superset.text if aim is Aim.SUPERSET else subset.text, exact=False)


def both(parts: Iterable[Expr]) -> Expr:
    return _joined(" and ", tuple(parts), neutral=ALWAYS, absorbing=NEVER)


def either(parts: Iterable[Expr]) -> Expr:
    return _joined(" or ", tuple(parts), neutral=NEVER, absorbing=ALWAYS)


def negated(part: Expr) -> Expr:
    match part.text:
        case ALWAYS.text:
            return Expr(NEVER.text, part.exact)
        case NEVER.text:
            return Expr(ALWAYS.text, part.exact)
        case text:
            return Expr(f"not ({text})", part.exact)


def _joined(word: str, parts: tuple[Expr, ...], neutral: Expr, absorbing: Expr) -> Expr:
    if absorbing in parts:
        return absorbing
    exact = all(part.exact for part in parts)
    texts = dict.fromkeys(part.text for part in parts if part.text != neutral.text)
    if absorbing.text in texts or not texts:
        return Expr((absorbing if absorbing.text in texts else neutral).text, exact)
    return Expr(next(iter(texts)) if len(texts) == 1 else word.join(f"({text})" for text in texts), exact)
