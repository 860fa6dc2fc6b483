"""Ten rows of every shape that a filter can meet, and which of them a real Milvus 2.3.5 found by each expression."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pymilvus import DataType, MilvusClient

NAME: Final = "shapes"
MEASURED: Final[dict[str, list[int] | None]] = json.loads((Path(__file__).parent / "measured-2.3.5.json").read_text())
"""Expression -> primary keys; null where the server refused it."""

_DYNAMIC: Final[dict[int, Any]] = {
    1: 1, 2: "x", 3: None, 4: [1, 2], 5: {"k": 1}, 6: True, 7: 1.0, 8: 2.5, 9: "1",
}  # fmt: skip


def rows() -> list[dict[str, Any]]:
    return [_row(i) for i in range(10)]


def _row(i: int) -> dict[str, Any]:
    declared = {
        "pk": i, "v": [i, 1], "n": i, "f": i / 2, "f4": 0.1 * i, "s": f"s{i}%_", "b": i % 2 == 0, "i8": i,
        "arr": [] if i == 9 else [i, i + 1], "sarr": [] if i == 9 else ["a"],
    }  # fmt: skip
    return {**declared, "j": {"a": _DYNAMIC[i]}, "d": _DYNAMIC[i]} if i in _DYNAMIC else {**declared, "j": {}}


def fill(client: MilvusClient) -> None:
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("pk", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    for name, kind in {
        "n": DataType.INT64,
        "f": DataType.DOUBLE,
        "f4": DataType.FLOAT,
        "b": DataType.BOOL,
        "i8": DataType.INT8,
    }.items():
        schema.add_field(name, kind)
    schema.add_field("s", DataType.VARCHAR, max_length=50)
    schema.add_field("j", DataType.JSON)
    schema.add_field("arr", DataType.ARRAY, element_type=DataType.INT64, max_capacity=10)
    schema.add_field("sarr", DataType.ARRAY, element_type=DataType.VARCHAR, max_length=20, max_capacity=10)
    index = client.prepare_index_params()
    index.add_index("v", index_type="FLAT", metric_type="L2")
    client.create_collection(NAME, schema=schema, index_params=index)
    client.insert(NAME, rows())


ACCEPTED_HERE: Final = frozenset(
    [
        'd in [1,"x"]',
        'd not in [1,"x"]',
        'j["a"] in [1,2.5]',
        'j["a"] not in [1,2.5]',
        "d is null",
        "n is null",
        'array_length(j["a"]) > 1',
        "array_length(arr) < 1",
        "n IN [1] AND s == 's1%_' OR n == 4",
        'json_contains_any(j["a"], [])',
        'json_contains_all(j["a"], [])',
        "array_contains_any(arr, [])",
        "array_contains_all(arr, [])",
    ]
)
"""2.3.5 refuses them, later servers do not."""

REFUSED_HERE: Final = frozenset(
    [
        "d == [1,2]",
        'j["a"] == [1,2]',
        "arr == [4,5]",
        "d != [1,2]",
        "n + 1 == 5",
        "n % 2 == 0",
        "n == f",
        "n < f",
        "pk == n",
        "pk + 1 == 3",
        "d + 1 == 2",
        "d % 2 == 1",
        "d - 1 == 0",
        "n + 1 != 5",
        "n - 1 == 2",
        "1 + n == 2",
        "n / 2 == 1",
        'json_contains(j["a"], [1])',
    ]
)
"""The model has no word for them: Unsupported."""

ARRAY_UNDER_A_SCALAR: Final = 4
"""The row with an array under `d` and `j["a"]`: a comparison with a scalar meets its elements in the model, not in Milvus."""

ARRAY_MEETS_A_SCALAR: Final = frozenset(
    [
        "d == 1",
        "d != 1",
        "not (d == 1)",
        "d > 0",
        "d < 100",
        "not (d > 0)",
        "d in [1]",
        "d not in [1]",
        "d == 1.0",
        '$meta["d"] == 1',
        'j["a"] == 1',
        'j["a"] != 1',
        'j["a"] > 0',
        "not (d != 1)",
        "not (d in [1])",
        "not (d not in [1])",
        "1 < d < 5",
        '$meta["d"] in [1]',
        "1 < d",
        "5 >= d > 1",
        "j['a'] == 1",
        "d == 1e0",
    ]
)
"""Where that row comes out otherwise."""
