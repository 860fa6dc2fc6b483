"""The command line finds each command in its own module, and loads for it no more than it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli import COMMANDS, main
from proxy.cli.local import local_qdrant
from proxy.local.qdrant.__main__ import main as local_main

HEAVY = {"aiohttp", "grpc", "numpy", "proxy.app", "proxy.config", "pydantic"}
PROGRAM = """
import sys
from proxy.cli import main
main(["status", "--admin", "http://127.0.0.1:1"], standalone_mode=False)
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_found_under_its_name(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    assert f"Usage: main {name} " in shown.output


def test_the_two_ways_to_a_local_qdrant_have_the_same_options() -> None:
    """And so has the page."""
    options = [{name for option in command.params for name in option.opts} for command in (local_qdrant, local_main)]
    assert options[0] == options[1]
    page = (Path(__file__).parents[2] / "docs" / "local-qdrant.md").read_text("utf-8")
    assert [name for name in options[0] if name not in page] == []


def test_a_command_that_is_not_there_is_refused() -> None:
    assert CliRunner().invoke(main, ["nonsense"]).exit_code == 2


def test_a_call_of_the_admin_api_loads_nothing_of_a_sidecar() -> None:
    program = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)){PROGRAM}"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 3, ended.stderr
    assert not HEAVY.intersection(ended.stdout.split())
