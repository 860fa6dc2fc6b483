from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.frontends.milvus.syntax import (
    And,
    Binary,
    Call,
    Equality,
    Exists,
    IsNull,
    Items,
    Like,
    Literal,
    Member,
    Node,
    Or,
    Order,
    Parens,
    Reference,
    Template,
    Unary,
    parse,
)

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True).filter(
    lambda name: name not in {"in", "is", "or", "and", "not", "like", "null", "true", "exists"}
)
STEPS = st.lists(st.text(max_size=4) | st.integers(0, 99), max_size=2).map(tuple)
REFERENCES = st.builds(lambda name, steps: Reference((name, *steps)), NAMES, STEPS) | st.builds(
    lambda key, steps: Reference((key, *steps), meta=True), st.text(max_size=4), STEPS
)
LITERALS = st.builds(
    Literal,
    st.booleans() | st.integers(0, 2**63 - 1) | st.floats(0, 1e300, allow_subnormal=False) | st.text(max_size=8),
)
ITEMS = st.lists(LITERALS, max_size=4).map(lambda parts: listed(tuple(parts)))


def listed(parts: tuple[Literal, ...]) -> Node:
    """A list of one plain kind is one literal."""
    kinds = {type(part.value) for part in parts}
    return Literal(tuple(part.value for part in parts)) if kinds in ({int}, {str}) else Items(parts)  # type: ignore[misc]


CONDITIONS = (
    st.builds(Equality, REFERENCES, st.booleans(), LITERALS)
    | st.builds(
        lambda left, op, right: Order((left, right), (op,)), REFERENCES, st.sampled_from(["<", "<=", ">", ">="]), LITERALS
    )
    | st.builds(lambda a, f, b: Order((a, f, b), ("<", "<=")), LITERALS, REFERENCES, LITERALS)
    | st.builds(Member, REFERENCES, st.booleans(), ITEMS | st.builds(Template, NAMES))
    | st.builds(Like, REFERENCES, st.builds(Literal, st.text(max_size=5)))
    | st.builds(IsNull, REFERENCES, st.booleans())
    | st.builds(Exists, REFERENCES)
    | st.builds(
        lambda name, a, b: Call(name, (a, b)), st.sampled_from(["json_contains", "ARRAY_CONTAINS"]), REFERENCES, LITERALS
    )
)
NODES = st.recursive(
    CONDITIONS,
    lambda part: (
        st.builds(lambda a, b: And((Parens(a), Parens(b))), part, part)
        | st.builds(lambda a, b, c: Or((Parens(a), b, Parens(c))), part, CONDITIONS, part)
        | st.builds(lambda a: Unary("not", Parens(a)), part)
    ),
    max_leaves=8,
)


def text_of(node: Node) -> str:  # noqa: C901  one case a form
    match node:
        case Literal(bool() as value):
            return str(value).lower()
        case Literal(str() as value):
            return json.dumps(value, ensure_ascii=False)
        case Literal(tuple() as values):
            return text_of(Items(tuple(map(Literal, values))))
        case Literal(value):
            return repr(value)
        case Items(parts):
            return f"[{', '.join(map(text_of, parts))}]"
        case Reference(steps, meta):
            first, rest = ("$meta", steps) if meta else (str(steps[0]), steps[1:])
            return first + "".join(f"[{json.dumps(step, ensure_ascii=False)}]" for step in rest)
        case Template(name):
            return f"{{{name}}}"
        case Parens(part):
            return f"({text_of(part)})"
        case And(parts):
            return " and ".join(map(text_of, parts))
        case Or(parts):
            return " || ".join(map(text_of, parts))
        case Unary(op, part):
            return f"{op} {text_of(part)}"
        case Equality(left, negated, right):
            return f"{text_of(left)} {'!=' if negated else '=='} {text_of(right)}"
        case Order(parts, ops):
            return " ".join([text_of(parts[0]), *(f"{op} {text_of(part)}" for op, part in zip(ops, parts[1:], strict=True))])
        case Member(part, negated, items):
            return f"{text_of(part)} {'not in' if negated else 'in'} {text_of(items)}"
        case Like(part, pattern):
            return f"{text_of(part)} like {text_of(pattern)}"
        case IsNull(part, negated):
            return f"{text_of(part)} is {'not ' if negated else ''}null"
        case Exists(part):
            return f"exists {text_of(part)}"
        case Call(name, parts):
            return f"{name}({', '.join(map(text_of, parts))})"
        case _:
            raise AssertionError(node)


@given(NODES)
def test_what_is_written_is_read_again(node: Node) -> None:
    assert parse(text_of(node)) == node


def test_comparison_binds_tighter_than_and_and_that_tighter_than_or() -> None:
    a, b, c = (Equality(Reference((name,)), False, Literal(1)) for name in "abc")
    assert parse("a==1 or b==1 and c==1") == Or((a, And((b, c))))


def test_not_binds_tighter_than_a_comparison_as_in_milvus() -> None:
    assert parse("not a == 1") == Equality(Unary("not", Reference(("a",))), False, Literal(1))


def test_a_name_may_begin_like_a_keyword() -> None:
    assert parse("android == 1") == Equality(Reference(("android",)), False, Literal(1))


def test_keywords_need_no_space_before_a_parenthesis() -> None:
    assert parse("(a==1)and(b==1)") == parse("(a==1) && (b==1)")


def test_arithmetic_keeps_its_order() -> None:
    one, two, three = (Literal(number) for number in (1, 2, 3))
    assert parse("1 - 2 * 3") == Binary("-", one, Binary("*", two, three))


@pytest.mark.parametrize(
    ("text", "value"),
    [("0x1F", 31), ("0b101", 5), ("017", 15), ("0", 0), ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0), ("0x1p4", 16.0)],
)
def test_numbers_are_read_as_in_c(text: str, value: float) -> None:
    assert parse(f"a == {text}") == Equality(Reference(("a",)), False, Literal(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\"b"', 'a"b'), (r"'it\'s'", "it's"), (r'"\x41\u0042\103\n"', "ABC\n"), (r'"5\%"', r"5\%"), (r'r"\n"', r"\n"),
    ],
)  # fmt: skip
def test_texts_are_unescaped_once(text: str, value: str) -> None:
    assert parse(f"a == {text}") == Equality(Reference(("a",)), False, Literal(value))


@pytest.mark.parametrize(
    "text", ["a ==", "a = 1", "(a == 1", "a in", '"open', "a == 1 b", "== 1", "a == 'x\ny'", r'a == "\UFFFFFFFF"']
)
def test_what_is_no_expression_is_refused_in_milvus_s_words(text: str) -> None:
    with pytest.raises(Refused, match="cannot parse expression"):
        parse(text)


def test_a_list_of_thousands_of_ids_is_one_token() -> None:
    ids = range(16_384)
    assert parse(f"pk in {list(ids)}") == Member(Reference(("pk",)), False, Literal(tuple(ids)))
