"""Milvus's filter language as a tree. Owns: the grammar (filter.lark), literals and their escapes. Not: what a name means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput

from proxy.errors import Refused

Constant: TypeAlias = bool | int | float | str
CACHED: Final = 512
"""Parsed expressions kept: an application repeats its few forms."""
CACHED_LENGTH: Final = 4096
"""Characters of an expression worth keeping: long ones are lists of ids, which do not repeat."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A tuple: a list of plain numbers or of plain texts, which may be thousands long."""

    value: Constant | tuple[Constant, ...]


@dataclass(frozen=True, slots=True)
class Items:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Template:
    name: str


@dataclass(frozen=True, slots=True)
class Reference:
    """`meta`: the steps start inside the dynamic field."""

    steps: tuple[str | int, ...]
    meta: bool = False


@dataclass(frozen=True, slots=True)
class Parens:
    part: Node


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`-`, `+`, `~` or `not`."""

    op: str
    part: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic and bits."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Equality:
    left: Node
    negated: bool
    right: Node


@dataclass(frozen=True, slots=True)
class Order:
    """`parts` is one longer than `ops`: `a < f <= b` is (a, f, b) with (<, <=)."""

    parts: tuple[Node, ...]
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Member:
    part: Node
    negated: bool
    items: Node


@dataclass(frozen=True, slots=True)
class Like:
    part: Node
    pattern: Node


@dataclass(frozen=True, slots=True)
class Regex:
    part: Node
    pattern: Node


@dataclass(frozen=True, slots=True)
class IsNull:
    part: Reference
    negated: bool


@dataclass(frozen=True, slots=True)
class Exists:
    part: Reference


@dataclass(frozen=True, slots=True)
class Call:
    """A function; `named` arguments are `minimum_should_match=2` and its like."""

    name: str
    parts: tuple[Node, ...]
    named: tuple[str, ...] = ()


Node: TypeAlias = (
    Literal
    | Items
    | Template
    | Reference
    | Parens
    | And
    | Or
    | Unary
    | Binary
    | Equality
    | Order
    | Member
    | Like
    | Regex
    | IsNull
    | Exists
    | Call
)


def parse(text: str) -> Node:
    """Raises Refused as Milvus does for what it cannot parse."""
    return _kept(text) if len(text) <= CACHED_LENGTH else _parsed(text)


def _parsed(text: str) -> Node:
    try:
        tree: Node = _PARSER.parse(text)  # type: ignore[assignment]
    except UnexpectedInput as error:
        where = f"line {error.line}:{error.column}"
        raise Refused(f"cannot parse expression: {text}, error: {where} {_unexpected(error)}") from error
    except (ValueError, OverflowError) as error:
        # a literal that no number or character is
        raise Refused(f"cannot parse expression: {text}, error: {error}") from error
    return tree


_kept = lru_cache(CACHED)(_parsed)


def _unexpected(error: UnexpectedInput) -> str:
    token = getattr(error, "token", None)
    return "unexpected character" if token is None else f"mismatched input '{token or '<EOF>'}'"


_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|\r?\n|.)", re.DOTALL)
_SIMPLE: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\n": "", "\r\n": ""}
_STRING: Final = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'", re.DOTALL)


def _unescaped(body: str) -> str:
    return _ESCAPE.sub(_character, body) if "\\" in body else body


def _character(found: re.Match[str]) -> str:
    code = found[1]
    if code in _SIMPLE:
        return _SIMPLE[code]
    if code[0] in "xuU" and len(code) > 1:
        return chr(int(code[1:], 16))
    if code[0] in "01234567":
        return chr(int(code, 8))
    # `\%` and `\_` keep their backslash: it is the pattern's own escape.
    return code if code in "\"'\\?" else "\\" + code


def text_of(token: str) -> str:
    """The value of a string literal with its quotes and prefix."""
    prefix, body = token[: (start := min(i for i in (token.find('"'), token.find("'")) if i >= 0))], token[start + 1 : -1]
    return body if prefix in ("r", "R") else _unescaped(body)


def _integer(token: str) -> int:
    if token[:2] in ("0x", "0X", "0b", "0B"):
        return int(token, 0)
    return int(token, 8) if token.startswith("0") else int(token)


def _float(token: str) -> float:
    return float.fromhex(token) if token[:2] in ("0x", "0X") else float(token)


@v_args(inline=True)
class _Build(Transformer[Any, Node]):
    """Rule names are the grammar's."""

    def INT(self, token: Token) -> int:
        return _integer(token)

    def FLOAT(self, token: Token) -> float:
        return _float(token)

    def STRING(self, token: Token) -> str:
        return text_of(token)

    def TRUE(self, _: Token) -> bool:
        return True

    def FALSE(self, _: Token) -> bool:
        return False

    def INTS(self, token: Token) -> Literal:
        return Literal(tuple(map(int, token.strip("[] \t\r\n,").split(","))))

    def STRINGS(self, token: Token) -> Literal:
        return Literal(tuple(_unescaped(found[1] or found[2] or "") for found in _STRING.finditer(token)))

    def literal(self, value: Constant) -> Literal:
        return Literal(value)

    def items(self, *parts: Node | None) -> Items:
        return Items(tuple(part for part in parts if part is not None))

    def template(self, name: Token) -> Template:
        return Template(str(name))

    def reference(self, first: Token, *steps: str | int) -> Reference:
        return Reference(steps, meta=True) if first.type == "META" else Reference((str(first), *steps))

    def parens(self, part: Node) -> Parens:
        return Parens(part)

    def and_expr(self, *parts: Node) -> And:
        return And(parts)

    def or_expr(self, *parts: Node) -> Or:
        return Or(parts)

    def unary(self, op: Token, part: Node) -> Unary:
        return Unary("not" if op.type == "NOT" else str(op), part)

    def arithmetic(self, left: Node, op: Token, right: Node) -> Binary:
        return Binary(str(op), left, right)

    def bit_or(self, left: Node, right: Node) -> Binary:
        return Binary("|", left, right)

    def bit_xor(self, left: Node, right: Node) -> Binary:
        return Binary("^", left, right)

    def bit_and(self, left: Node, right: Node) -> Binary:
        return Binary("&", left, right)

    def equality(self, left: Node, op: Token, right: Node) -> Equality:
        return Equality(left, op == "!=", right)

    def relation(self, *row: Any) -> Order:
        return Order(row[::2], tuple(str(op) for op in row[1::2]))

    def member(self, part: Node, negation: Token | None, items: Node) -> Member:
        return Member(part, negation is not None, items)

    def like(self, part: Node, pattern: Node) -> Like:
        return Like(part, pattern)

    def regex(self, part: Node, _: Token, pattern: Node) -> Regex:
        return Regex(part, pattern)

    def is_null(self, part: Reference, negation: Token | None) -> IsNull:
        return IsNull(part, negation is not None)

    def exists(self, part: Reference) -> Exists:
        return Exists(part)

    def argument(self, name: Token | None, part: Node) -> tuple[str | None, Node]:
        return (None if name is None else str(name), part)

    def call(self, name: Token, *arguments: tuple[str | None, Node] | None) -> Call:
        there = [argument for argument in arguments if argument is not None]
        return Call(str(name), tuple(part for _, part in there), tuple(label for label, _ in there if label is not None))


_PARSER: Final = Lark((Path(__file__).parent / "filter.lark").read_text("utf-8"), parser="lalr", transformer=_Build())
