"""Conditions on text in Milvus's filter language.

Milvus 2.3 knows prefixes only, and its wildcards changed since: a prefix is said as a range of the order of bytes instead.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.backends.milvus.literals import quoted
from proxy.backends.milvus.logic import ALWAYS, Aim, Expr, both, inexact

LAST_CHARACTER: Final = "\U0010ffff"


def like(text: str, pattern: str, aim: Aim, any_text: Expr = ALWAYS) -> Expr:
    """`any_text`: the condition that `text` holds a text at all."""
    steps = re.findall(r"\\.|.", pattern, re.DOTALL)
    count = next((i for i, step in enumerate(steps) if step in ("%", "_")), len(steps))
    literal, wild = "".join(step[-1] for step in steps[:count]), steps[count:]
    if not wild:
        return Expr(f"{text} == {quoted(literal)}")
    prefixed = starts_with(text, literal) if literal else any_text
    return prefixed if set(wild) == {"%"} else inexact(aim, prefixed)


def starts_with(text: str, prefix: str) -> Expr:
    end = behind_prefix(prefix)
    low = Expr(f"{text} >= {quoted(prefix)}")
    return low if end is None else both((low, Expr(f"{text} < {quoted(end)}")))


def behind_prefix(prefix: str) -> str | None:
    """The first text, in the order of bytes, behind all that start with `prefix`; None when there is none."""
    kept = prefix.rstrip(LAST_CHARACTER)
    if not kept:
        return None
    # between these two lie the surrogates, which are no characters of their own
    following = 0xE000 if ord(kept[-1]) == 0xD7FF else ord(kept[-1]) + 1
    return kept[:-1] + chr(following)
