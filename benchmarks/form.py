"""The form in which the relay is measured: compiled, as the image has it; as Python where that is asked for or all there is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

from benchmarks.processes import bin_path
from compiled.tree import tree


def measured(*, python: bool, say: Callable[[str], None]) -> str:
    """For every process started from now on; what the command itself says of it."""
    why = "asked for" if python else _compile(say)
    said = _said()
    return f"{said}; not compiled: {why}" if why else said


def _compile(say: Callable[[str], None]) -> str | None:
    say("compiling the relay, where that was not done before: a minute or two ...")
    try:
        compiled = str(tree(quick=False))
    except RuntimeError as error:
        say(f"the relay is measured as Python: {error}")
        return str(error)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [compiled, os.environ.get("PYTHONPATH")]))
    return None


def _said() -> str:
    command = bin_path("vecferry")
    assert command is not None
    return subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.strip()
