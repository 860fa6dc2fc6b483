"""What happens in a world, and the rules that hold there. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.config import Config, parse

LINGER = 30.0


@dataclass(frozen=True, slots=True)
class Mix:
    """How often clients do what, as weights."""

    put: int = 35
    put_two: int = 15
    patch: int = 10
    remove: int = 20
    put_auto: int = 2
    remove_where: int = 15


@dataclass(frozen=True, slots=True)
class Story:
    """`wishes`: what the operator of the first sidecar does, one after the other. `hot`: keys that clients write, from 0.
    `begin`: he begins within so many seconds. `pace`: mean seconds between two writes of a client. `slow`: share of the
    messages that are. `crashes`: the number for each sidecar is drawn from these. `outage`: how likely the target is away for
    a while. `assassin`: how likely a death in the middle of each change of primary is. `mayflies`: how often a collection is
    made, written to and dropped again.
    """

    name: str
    sidecars: int = 1
    clients: int = 3
    writes: int = 10
    wishes: tuple[str, ...] = ("backfill",)
    hot: int = 6
    mix: Mix = Mix()
    begin: float = 20.0
    pace: float = 3.0
    slow: float = 0.05
    crashes: tuple[int, ...] = (0, 0, 1, 2)
    outage: float = 0.3
    assassin: float = 0.0
    mayflies: int = 0
    linger: float = LINGER
    commits_a_second: float = 200.0

    def config(self) -> Config:
        """The sidecars' settings: small pages, so that much is in flight at once."""
        return parse(
            {
                "source": {"product": "milvus", "url": "http://source:1"},
                "target": {"product": "qdrant", "url": "http://target:1"},
                "listen": {"rest": "127.0.0.1:0"},
                "state": "nowhere",
                "routing": {"phase": "mirror"},
                "mirror": {"linger": self.linger, "batch_points": 4, "retry_max": 2.0},
                "backfill": {"page": 2},
                "verify": {"page": 5},
                "cutover": {"max_hold": 20.0},
            }
        )


ONE = Story("one")
"""A sidecar under fire: the mirror beside a backfill."""
VERIFIED = Story("verified", wishes=("backfill", "around", "verified"), crashes=(0, 0, 1, 1, 2))
"""Writes around the proxy while verify and repair run beside live writes."""
CHANGES = Story(
    "changes",
    writes=14,
    wishes=("backfill", "verified", "cutover", "rollback", "cutover"),
    pace=8.0,
    slow=0.005,
    crashes=(0, 0, 0, 1),
    outage=0.0,
    assassin=0.5,
)
"""The primary changes three times under load, and the process dies in between."""
SLOW_DISK = Story("slow disk", commits_a_second=0.3)
DEATHS = Story("deaths", writes=6, hot=8, slow=0.3, begin=3.0, crashes=(2, 3, 4), outage=0.0, mix=Mix(50, 0, 0, 50, 0, 0))
"""Much is on its way at each of many deaths, and lands late."""
MAYFLIES = Story("mayflies", clients=1, writes=3, wishes=("backfill",) * 3, slow=0.3, crashes=(1, 2, 3), outage=0.1, mayflies=6)
"""A collection comes and goes beside backfills and deaths, and each of these calls may land late."""
TWO = Story("two", sidecars=2, clients=4, hot=3, crashes=(0, 0, 0, 1))
THREE = Story("three", sidecars=3, clients=6, writes=8, hot=4, crashes=(0, 0, 0, 1))
"""Several sidecars between all clients and the same keys."""
_RARE = (0, 0, 0, 0, 1)
RACE = Story(
    "race", sidecars=2, clients=2, writes=4, hot=2, pace=1.0, crashes=_RARE, outage=0.0, wishes=(), mix=Mix(50, 0, 0, 50, 0, 0)
)
"""Few direct writes of the same keys by two sidecars."""
PAGES = Story(
    "pages",
    sidecars=2,
    clients=6,
    writes=8,
    hot=8,
    begin=1.0,
    pace=0.3,
    slow=0.15,
    crashes=_RARE,
    outage=0.0,
    mix=Mix(100, 0, 0, 0, 0, 0),
)
"""A backfill by one sidecar beside writes by another."""
FILTERS = Story(
    "filters", sidecars=2, clients=3, writes=4, hot=3, crashes=_RARE, outage=0.0, wishes=(), mix=Mix(60, 0, 0, 0, 0, 40)
)
"""Writes by filter through one sidecar beside writes by another."""

STORIES = {
    story.name: story for story in (ONE, VERIFIED, CHANGES, SLOW_DISK, DEATHS, MAYFLIES, TWO, THREE, RACE, PAGES, FILTERS)
}
