"""`python -m faults.simulation STORY SEED` prints the steps of one seed; `STORY FIRST-LAST` tries many and prints the rate."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from faults.simulation.fleet import FLEET
from faults.simulation.seeded import FAULTS
from faults.simulation.setting import Setting, report
from faults.simulation.story import STORIES


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m faults.simulation", description=__doc__)
    parser.add_argument("story", choices=[*STORIES, *FAULTS], metavar="STORY", help=f"{', '.join(STORIES)}, or a fault")
    parser.add_argument("seeds", metavar="SEED", help="one seed, or FIRST-LAST")
    parser.add_argument("--without", choices=FLEET, default="", help="leave out one rule of several sidecars")
    given = parser.parse_args(arguments)
    setting = Setting.named(given.story, given.without)
    first, _, last = given.seeds.partition("-")
    return _many(setting, range(int(first), int(last) + 1)) if last else _one(setting, int(first))


def _one(setting: Setting, seed: int) -> int:
    verdict, lines = setting.trace(seed)
    print(*lines, verdict, sep="\n")
    return not verdict.good


def _many(setting: Setting, seeds: range) -> int:
    begun = time.process_time()
    verdicts = dict(setting.verdicts(seeds))
    took = time.process_time() - begun
    bad = sum(not verdict.good for verdict in verdicts.values())
    print(
        f"{setting.story.name}: {len(seeds)} worlds, {bad} bad, {sum(v.owed for v in verdicts.values())} owed, "
        f"{sum(v.changes for v in verdicts.values())} changes of primary, {sum(v.deaths for v in verdicts.values())} deaths, "
        f"{60 * len(seeds) / took:.0f} a minute on one core"
    )
    print(report(setting, verdicts))
    return bad > 0


if __name__ == "__main__":
    raise SystemExit(main())
