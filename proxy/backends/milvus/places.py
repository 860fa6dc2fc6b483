"""Where a payload path lies in a Milvus collection: a declared column, an array, inside JSON, or nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from proxy.backends.milvus.literals import quoted
from proxy.errors import Unsupported
from proxy.milvus.schema import META
from proxy.model.feature import Feature
from proxy.model.filter import Path
from proxy.model.schema import Field, FieldType, Product, Schema


@dataclass(frozen=True, slots=True)
class Column:
    text: str
    kind: FieldType
    nullable: bool


@dataclass(frozen=True, slots=True)
class ArrayColumn:
    text: str
    element: FieldType
    nullable: bool


@dataclass(frozen=True, slots=True)
class Element:
    """One element of an array column. Milvus compares FLOAT elements unrounded, unlike FLOAT columns."""

    array: ArrayColumn
    index: int
    text: str
    kind: FieldType


@dataclass(frozen=True, slots=True)
class JsonValue:
    """Inside a JSON column or the dynamic one.

    `ambiguous`: Milvus addresses it by a JSON pointer, where the index 0 and the key "0" are the same.
    """

    text: str
    ambiguous: bool


@dataclass(frozen=True, slots=True)
class JsonRoot:
    """A whole JSON column, on which Milvus has no conditions."""


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No point of the collection can have a value there."""


Place: TypeAlias = Column | ArrayColumn | Element | JsonValue | JsonRoot | Nowhere


def place_of(path: Path, schema: Schema) -> Place:
    name = str(path[0])
    if name in schema.fields:
        return _declared(schema.fields[name], path)
    if not schema.dynamic or name in schema.vectors:
        return Nowhere()
    if not name:
        raise Unsupported(Feature.DYNAMIC_FIELDS, Product.MILVUS, "a field without a name in a filter")
    return _json(META, path, path[1:])


def _declared(field: Field, path: Path) -> Place:
    if field.type is FieldType.JSON:
        return _json(field.name, path[1:], path[1:]) if path[1:] else JsonRoot()
    if field.type is FieldType.ARRAY and field.element is not None:
        return _array(ArrayColumn(field.name, field.element, field.nullable), path[1:])
    return Nowhere() if path[1:] else Column(field.name, field.type, field.nullable)


def _array(array: ArrayColumn, rest: Path) -> Place:
    match rest:
        case ():
            return array
        case (int(index),) if index >= 0:
            kind = FieldType.FLOAT64 if array.element is FieldType.FLOAT32 else array.element
            return Element(array, index, f"{array.text}[{index}]", kind)
        case _:
            return Nowhere()


def _json(column: str, steps: Path, into_array: Path) -> JsonValue:
    """`into_array`: the steps that may enter an array."""
    text = column + "".join(f"[{quoted(step) if isinstance(step, str) else step}]" for step in steps)
    return JsonValue(text, ambiguous=any(isinstance(step, int) or step.isdecimal() for step in into_array))
