"""What reads cost in pages of memory, in a process of its own: the settings hold for all of one."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from proxy.net.allocator import keep_freed_memory
{first}
def read(): return [bytes(2**18) + b"x" for _ in range(4)]
read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(200): read()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(first: str) -> int:
    """Pages that 800 reads had from the kernel."""
    said = subprocess.run([sys.executable, "-c", PROGRAM.format(first=first)], capture_output=True, text=True, check=True)
    return int(said.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")
def test_reads_reuse_the_memory_of_those_before():
    assert faults("keep_freed_memory()") < faults("") / 10


SPARED = """
import gc
from proxy.net.allocator import spare_what_stays
kept = [[number] for number in range(100_000)]
spare_what_stays()
print(len(gc.get_objects()))
"""


def test_a_full_collection_goes_past_what_was_there_before():
    said = subprocess.run([sys.executable, "-c", SPARED], capture_output=True, text=True, check=True)
    assert int(said.stdout) < 1000
