from __future__ import annotations

from collections.abc import Sequence

import pytest

from proxy.errors import Reason, Refused, Unavailable, Unsupported
from proxy.mirror.deliver import deliver
from proxy.model.feature import Feature
from proxy.model.point import Key, Point

KEYS = tuple(Key("books", None, number) for number in range(8))
STATE = {key: Point(key, {}) for key in KEYS}


class Secondary:
    def __init__(self, refuses: set[Key], error: Refused) -> None:
        self.refuses, self.error, self.calls = refuses, error, 0

    async def put(self, points: Sequence[Point]) -> None:
        self.calls += 1
        if any(point.key in self.refuses for point in points):
            raise self.error


@pytest.mark.parametrize("error", [Refused("too long"), Unsupported(next(iter(Feature)), "qdrant")])
async def test_a_refused_point_is_found_among_the_others(error: Refused) -> None:
    assert await deliver(Secondary({KEYS[5]}, error), STATE, 100) == {KEYS[5]: str(error)}  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", [Reason.UNAUTHENTICATED, Reason.FORBIDDEN, Reason.UNSUPPORTED])
async def test_a_side_that_refuses_every_call_has_refused_no_point(reason: Reason) -> None:
    secondary = Secondary(set(KEYS), Refused("the key has expired", reason))
    with pytest.raises(Unavailable, match="the key has expired"):
        await deliver(secondary, STATE, 100)  # type: ignore[arg-type]
    assert secondary.calls == 1
