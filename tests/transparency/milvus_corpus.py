"""Calls of pymilvus by name, in order: those of an ordinary application, and the errors that one meets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pymilvus import DataType, MilvusClient

from tests.migration.calls import STEPS, Application, row

Script = Callable[[Application], Any]
ABSENT: Final = "absent"


def _of(call: Callable[[MilvusClient, str], Any]) -> Script:
    return lambda application: call(application.client, application.name)


ERRORS: Final[Mapping[str, Script]] = {
    "no collection": _of(lambda c, _: c.describe_collection(ABSENT)),
    "drop nothing": _of(lambda c, _: c.drop_collection(ABSENT)),
    "insert nowhere": _of(lambda c, _: c.insert(ABSENT, [row(1)])),
    "query nowhere": _of(lambda c, _: c.query(ABSENT, filter="id > 0")),
    "search nowhere": _of(lambda c, _: c.search(ABSENT, [[1.0, 2.0]])),
    "delete nowhere": _of(lambda c, _: c.delete(ABSENT, ids=[1])),
    "load nothing": _of(lambda c, _: c.load_collection(ABSENT)),
    "no partition": _of(lambda c, name: c.query(name, filter="id > 0", partition_names=[ABSENT])),
    "drop no partition": _of(lambda c, name: c.drop_partition(name, ABSENT)),
    "no field": _of(lambda c, name: c.query(name, filter="id > 0", output_fields=["v"], anns_field=ABSENT)),
    "bad filter": _of(lambda c, name: c.query(name, filter="id >>> 0")),
    "wrong length": _of(lambda c, name: c.search(name, [[1.0, 2.0, 3.0]])),
    "unknown metric": _of(lambda c, name: c.search(name, [[1.0, 2.0]], search_params={"metric_type": "IP"})),
    "no index": _of(lambda c, name: c.describe_index(name, ABSENT)),
    "no alias": _of(lambda c, _: c.describe_alias(ABSENT)),
    "alias of nothing": _of(lambda c, _: c.create_alias(ABSENT, "name")),
    "create again with another field": _of(lambda c, name: c.create_collection(name, schema=_other(c))),
    "databases": _of(lambda c, _: c.list_databases()),
    "users": _of(lambda c, _: c.list_users()),
    "roles": _of(lambda c, _: c.list_roles()),
    "version": _of(lambda c, _: c.get_server_version()),
}


def _other(client: MilvusClient) -> Any:
    schema = client.create_schema()
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=9)
    schema.add_field("w", DataType.FLOAT_VECTOR, dim=3)
    return schema


def corpus() -> dict[str, Script]:
    """The errors before the steps that take the collection apart."""
    steps: dict[str, Script] = {step.__name__: step for step in STEPS}
    end = {name: steps.pop(name) for name in (Application.drop_partition.__name__, *(list(steps)[-2:]))}
    return {**steps, **ERRORS, **end}
