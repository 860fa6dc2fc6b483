"""The machine code, which the image ships, passes the tests of the sources too.

By default those of tests/unit/net that need no program of others, and those of a mirrored write's modules; with
VECFERRY_NIGHTLY=1 all of them, and those of the wire, of hostile clients, of the workers, and the simulation.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from compiled.build import MODULES, ROOT, impossible
from compiled.tree import tree
from proxy.net.form import COMPILED

NIGHTLY: Final = "VECFERRY_NIGHTLY" in os.environ
NEEDING_OTHERS: Final = tuple(f"--ignore=tests/unit/net/test_net_{name}.py" for name in ("official_clients", "h2spec"))
SIMULATION: Final = "tests/faults/simulation/test_simulation.py::test_nothing_is_lost_and_both_sides_are_equal_in_the_end"
"""Its other tests put faults into functions, and a call within the machine code does not look for another."""
OF_WRITES: Final = (
    *("tests/unit/mirror", "tests/unit/routing", "tests/unit/milvus", "tests/unit/frontends/test_frontends_grpc.py"),
    *(f"tests/unit/frontends/test_milvus_{name}.py" for name in ("errors", "rest_parts", "routes", "writes")),
    *(f"tests/unit/backends/qdrant/test_qdrant_{name}.py" for name in ("ids", "payload", "upsert", "vectors")),
)
WHAT: Final = (
    ("tests/unit/net", SIMULATION, *OF_WRITES, "tests/wire", "tests/faults/hostile", "tests/unit/workers")
    if NIGHTLY
    else ("tests/unit/net", *NEEDING_OTHERS, *OF_WRITES)
)
ALLOWED: Final = (
    "is part of the machine code",
    "subclass in Python",
    "is not installed",
    "is missing",
    "does not install here",
)
"""Why a test may be skipped."""

WHY_NOT: Final = impossible()


@pytest.fixture(scope="module")
def compiled() -> Path:
    if WHY_NOT is not None:
        pytest.skip(f"the relay cannot be compiled here: {WHY_NOT}")
    return tree(quick=not NIGHTLY)


def environment(compiled: Path) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "VECFERRY_"))}
    nightly = {"VECFERRY_NIGHTLY": "1"} if NIGHTLY else {}
    return plain | nightly | {"PYTHONPATH": str(compiled), "VECFERRY_FORM": COMPILED}


@pytest.mark.parametrize("module", MODULES)
def test_no_two_handlers_of_a_function_share_a_name(module):
    """mypyc (2.4) gives the name one type, the first one's, and the second handler then raises TypeError."""
    for function in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            caught = {ast.unparse(h.type): h.name for h in ast.walk(function) if isinstance(h, ast.ExceptHandler) and h.type}
            ours = [name for kind, name in caught.items() if name and not kind.startswith(("httptools.", "hpack."))]
            assert len(ours) == len(set(ours)), f"{module}: {function.name}"


@pytest.mark.slow
@pytest.mark.timeout(3600 if NIGHTLY else 900)
def test_the_relay_as_machine_code_passes_its_tests(compiled):
    path = f"pythonpath={compiled} {ROOT}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not alone", "-o", path, *WHAT]
    done = subprocess.run(command, cwd=ROOT, env=environment(compiled), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 400
    skips = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert [line for line in skips if not any(why in line for why in ALLOWED)] == []


def test_a_command_tells_in_which_form_it_runs(compiled):
    program = [str(Path(sys.executable).parent / "vecferry"), "--version"]
    for env, form in ((environment(compiled), COMPILED), (os.environ | {"PYTHONPATH": ""}, "Python")):
        assert f"(relay: {form})" in subprocess.run(program, env=env, capture_output=True, text=True, check=True).stdout


def test_machine_code_never_lies_among_the_sources(compiled):
    assert not list((ROOT / "proxy").rglob("*.so"))
    assert len(list((compiled / "proxy").rglob("*.so"))) == len(MODULES)
