"""As many calls as a peer takes: by h2load, which speaks both protocols, or by our own generator where it is missing.

h2load is written in C and leaves the machine to the proxies. It is asked for parts of a second, which wrk does not measure.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.processes import H2LOAD, absent, bin_path
from benchmarks.relay.generator import Generator, Job

_COUNTED: Final = re.compile(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded")
_RATE: Final = re.compile(r"finished in [\d.]+m?s, ([\d.]+) req/s")


@dataclass(frozen=True, slots=True)
class Taken:
    calls: int
    rate: float
    """Calls a second."""


class Load:
    """Raises RuntimeError where a peer fails."""

    def __init__(self, folder: Path, generator: Generator) -> None:
        self._folder = folder
        self._generator = generator
        self._ours = bool(absent(H2LOAD))

    @property
    def name(self) -> str:
        return "our generator" if self._ours else H2LOAD

    def saturate(self, job: Job) -> Taken:
        """A closed loop for its seconds, or until its count is done, and then to the end of the last call."""
        if self._ours:
            took = self._generator.run(replace(job, rate=None))
            return Taken(len(took.each), took.rate)
        (self._folder / "body").write_bytes(job.call.bodies[0])
        return counted(self._said(_h2load(job)))

    def _said(self, options: list[str]) -> str:
        program = bin_path(H2LOAD)
        assert program is not None
        return subprocess.run([program, *options], cwd=self._folder, capture_output=True, text=True, check=True).stdout


def _h2load(job: Job) -> list[str]:
    call = job.call
    version = [f"-m{job.streams}"] if call.grpc else ["--h1"]
    headers = [option for name, value in call.headers.items() for option in ("-H", f"{name}: {value}")]
    end = ["-D", f"{int(1000 * job.seconds)}ms"] if job.count is None else ["-n", str(job.count)]
    how = ["-t1", f"-c{job.connections}", "-d", "body", *end, *version, *headers]
    return [*how, f"http://127.0.0.1:{job.port}{call.path}"]


def counted(said: str) -> Taken:
    """Of h2load's words."""
    counts, rate = _COUNTED.search(said), _RATE.search(said)
    if counts is None or rate is None or counts[1] != counts[2] or counts[1] == "0":
        raise RuntimeError(f"h2load says: {said[-1500:]}")
    return Taken(int(counts[1]), float(rate[1]))
