"""The demo leaves nothing behind, whatever ends it, and says what that was."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.servers.process import dying_with_parent
from tests.servers.sidecar import wait_until

ROOT: Final = Path(__file__).parents[2]
CHILDREN: Final = {
    "source": r"proxy\.local\.qdrant .*/source",
    "sidecar": r"vecferry run",
    "application": r"qdrant_app (?!.*--load)",
}
TOLD: Final = {
    "source": "the source's Qdrant ended with -9",
    "sidecar": "the sidecar ended with -9",
    "application": "the application ended with -9",
}
PATIENCE: Final = 60.0


class Demo:
    def __init__(self, output: Path) -> None:
        self._output = output
        command = [sys.executable, "-m", "demo", "qdrant-qdrant", "--points", "200", "--seconds", "300"]
        with output.open("wb") as said:
            self.process = subprocess.Popen(
                dying_with_parent(command), cwd=ROOT, env=os.environ | {"TMPDIR": str(output.parent)}, stdout=said, stderr=said
            )

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def child(self, name: str) -> psutil.Process | None:
        found = [child for child in self.children() if re.search(CHILDREN[name], _command(child))]
        return found[0] if found else None

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def after(self, act: Callable[[], None]) -> int:
        """Its exit code; no child is left then."""
        children = self.children()
        act()
        code = self.process.wait(PATIENCE)
        assert psutil.wait_procs(children, 5)[1] == []
        return code


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it ended
        return ""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "output")
    try:
        wait_until(lambda: demo.child("application") is not None, PATIENCE, lambda: demo.output)
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()


@pytest.mark.slow
def test_a_ctrl_c_ends_it_and_all_that_it_started(demo: Demo) -> None:
    assert demo.after(lambda: demo.process.send_signal(signal.SIGINT)) == 130, demo.output
    assert "everything is stopped" in demo.output
    assert "Traceback" not in demo.output


@pytest.mark.parametrize("name", TOLD if "VECFERRY_NIGHTLY" in os.environ else ["source"])
def test_a_child_that_dies_ends_it_and_is_named(demo: Demo, name: str) -> None:
    child = demo.child(name)
    assert child is not None
    assert demo.after(child.kill) == 1, demo.output
    assert TOLD[name] in demo.output
    assert "Traceback" not in demo.output
