from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
from proxy.garbage import collect_seldom
{first}
gc.collect()
before = gc.get_stats()[0]["collections"]
kept = [[number] for number in range(4000)]
print(gc.get_stats()[0]["collections"] - before)
"""


def collections(first: str) -> int:
    """While 4,000 containers are made and kept, in a process of its own: the setting holds for all of one."""
    said = subprocess.run([sys.executable, "-c", PROGRAM.format(first=first)], capture_output=True, text=True, check=True)
    return int(said.stdout)


def test_what_a_large_write_is_made_of_is_not_searched_for_cycles() -> None:
    assert collections("") > 0
    assert collections("collect_seldom()") == 0
