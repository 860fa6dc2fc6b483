from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest

from proxy.backends.milvus import reads, writes
from proxy.backends.milvus.features import FEATURES
from proxy.backends.milvus.fit import fit
from proxy.backends.milvus.generation import generation_of
from proxy.backends.milvus.landing import landing_of
from proxy.backends.milvus.rows import partitions_of
from proxy.errors import Refused, Unsupported
from proxy.milvus.schema import pairs
from proxy.model.feature import Feature
from proxy.model.operation import Search
from proxy.model.point import Key, Point
from proxy.model.schema import Field, FieldType, IdKind, Metric, Schema, VectorField, VectorKind
from proxy.ports import Fit

SCHEMA = Schema(
    "db/c",
    {"v": VectorField("v", VectorKind.DENSE, 2, Metric.EUCLIDEAN)},
    {"s": Field("s", FieldType.STRING, max_length=100)},
    partitions=("q", "p"),
)


def point(identity: int, partition: str | None = None, **payload: Any) -> Point:
    return Point(Key("db/c", partition, identity), {"v": np.zeros(2, "f4")}, {"s": "", **payload})


def plan(schema: Schema = SCHEMA, expr: str = "", since: int | None = 7) -> reads.Plan:
    return reads.Plan(schema, expr, ("id", "v"), since)


def test_every_feature_is_answered() -> None:
    assert set(FEATURES) == set(Feature)


def test_points_are_upserted_partition_by_partition() -> None:
    requests = list(writes.upserts(SCHEMA, [point(1, "p"), point(2), point(3, "p")]))

    assert [(r.collection_name, r.partition_name, r.num_rows) for r in requests] == [("c", "_default", 1), ("c", "p", 2)]


def test_with_a_partition_key_no_partition_is_named() -> None:
    keyed = replace(SCHEMA, partitions=(), partition_key="s")

    assert next(writes.upserts(keyed, [point(1)])).partition_name == ""
    assert not reads.query(plan(keyed), None, 5).partition_names


def test_a_batch_beyond_one_message_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "MESSAGE_BYTES", 10_000)
    points = [point(n, s="x" * 1000) for n in range(40)]

    requests = list(writes.upserts(SCHEMA, points))

    assert all(request.ByteSize() <= 10_000 for request in requests)
    ids = [identity for request in requests for identity in request.fields_data[0].scalars.long_data.data]
    assert ids == list(range(40))


def test_many_ids_are_deleted_in_slices() -> None:
    keys = [Key("db/c", "p", n) for n in range(writes.IDS_AT_ONCE + 1)]

    requests = [request for _, request in writes.deletes(SCHEMA, keys)]

    assert [len(request.expr.split(",")) for request in requests] == [writes.IDS_AT_ONCE, 1]
    assert requests[1].expr == f"id in [{writes.IDS_AT_ONCE}]"


@pytest.mark.parametrize("value", [math.nan, [1, {"a": math.inf}]], ids=repr)
def test_a_number_that_json_has_not_is_refused_by_name(value: Any) -> None:
    with pytest.raises(Unsupported) as refusal:
        list(writes.upserts(SCHEMA, [point(1, d=value)]))
    assert refusal.value.feature is Feature.NON_FINITE_VALUES


@pytest.mark.parametrize(
    "payload",
    [{"d": datetime(2024, 1, 1, tzinfo=UTC)}, {"d": b"raw"}, {"id": 1}, {"v": 1}, {"$meta": 1}],
    ids=repr,
)
def test_what_would_change_or_vanish_in_milvus_is_refused(payload: Mapping[str, Any]) -> None:
    with pytest.raises(Refused):
        list(writes.upserts(SCHEMA, [point(1, **payload)]))


def test_an_undeclared_field_needs_a_dynamic_collection() -> None:
    with pytest.raises(Refused):
        list(writes.upserts(replace(SCHEMA, dynamic=False), [point(1, d=1)]))


def test_the_largest_id_is_refused() -> None:
    with pytest.raises(Refused):
        list(writes.upserts(SCHEMA, [point(2**63 - 1)]))


def test_a_read_sees_what_was_written_before_its_moment() -> None:
    timed, strong, client = (reads.query(plan(since=since), "p", 5) for since in (7, 0, None))

    assert (timed.consistency_level, timed.guarantee_timestamp, list(timed.partition_names)) == (4, 7, ["p"])
    assert (strong.consistency_level, strong.guarantee_timestamp, strong.use_default_consistency) == (0, 0, False)
    assert client.use_default_consistency


def test_a_page_continues_behind_the_last_key() -> None:
    assert reads.behind(plan(), 7).expr == "id > 7"
    assert reads.behind(plan(expr="a == 1"), 7).expr == "(a == 1) and id > 7"
    assert reads.behind(plan(), 2**63 - 1).expr == "id in []"
    assert reads.behind(plan(replace(SCHEMA, id_kind=IdKind.STRING)), 'a"').expr == 'id > "a\\""'


def test_replies_are_planned_within_the_limit() -> None:
    wide = replace(SCHEMA, vectors={"v": VectorField("v", VectorKind.DENSE, 4096, Metric.DOT)})

    assert reads.rows_in_reply(plan()) == reads.MAX_ROWS
    assert reads.rows_in_reply(plan(wide)) * 4096 * 4 <= reads.REPLY_BYTES


def test_dynamic_fields_come_in_one_column() -> None:
    assert reads.output_fields(SCHEMA, None, None) == ("id", "v", "s", "$meta")
    assert reads.output_fields(SCHEMA, ("s",), ()) == ("id", "s")
    assert reads.output_fields(SCHEMA, ("d", "s"), ("v",)) == ("id", "v", "s", "$meta")


@pytest.mark.parametrize(
    ("metric", "threshold", "far"),
    [(Metric.EUCLIDEAN, 3.0, 1.0), (Metric.DOT, 1.0, 3.0), (Metric.COSINE, 0.2, None), (Metric.EUCLIDEAN, None, 2.0)],
)
def test_a_range_in_milvus_is_a_little_wider(metric: Metric, threshold: float | None, far: float | None) -> None:
    wanted = Search("db/c", "v", (np.zeros(2, "f4"),), 5, threshold=threshold, far=far)
    params = orjson.loads(pairs(reads.search(plan(), wanted, metric, None, 5).search_params)["params"])
    sign = -1 if metric.larger_is_nearer else 1
    power = 2 if metric is Metric.EUCLIDEAN else 1

    assert sign * params["radius"] > (math.inf * -1 if threshold is None else sign * threshold**power)
    if far is not None:
        assert sign * params["range_filter"] < sign * far**power


def test_more_candidates_raise_the_effort_of_the_index() -> None:
    wanted = Search("db/c", "v", (np.zeros(2, "f4"),), 5, hints={"ef": 20})

    params = orjson.loads(pairs(reads.search(plan(), wanted, Metric.DOT, None, 50).search_params)["params"])

    assert params["ef"] == 50


def test_partitions_are_asked_in_the_order_of_a_scan() -> None:
    assert partitions_of(SCHEMA, None) == (None, "p", "q")
    assert partitions_of(SCHEMA, ("q", None)) == (None, "q")
    assert partitions_of(SCHEMA, ()) == ()
    assert partitions_of(replace(SCHEMA, partition_key="s"), ("p",)) == ()


def test_a_fit_tells_losses_and_refusals() -> None:
    def fitted(schema: Schema) -> Fit:
        return fit(landing_of(schema), generation_of("v2.3.5"))

    fits = fitted(replace(SCHEMA, auto_id=True))
    uuids = fitted(replace(SCHEMA, id_kind=IdKind.UUID))
    unnamed = fitted(replace(SCHEMA, vectors={"": VectorField("", VectorKind.DENSE, 2, Metric.MANHATTAN)}))

    assert (len(fits.losses), fits.refusals) == (1, ())
    assert fits.target["indexes"]["v"]["metric_type"] == "L2"
    assert uuids.refusals == ()
    assert len(unnamed.refusals) == 1
