"""The modules of the relay and of mirrored writes as machine code, by mypyc: `python compiled/build.py OUT` makes OUT/proxy.

That is a whole copy of the package with them in it.
Never among the sources: there an edit of a .py beside its .so would silently be without effect.
Owns: which modules, and how. Not: wheels (protos/build_hook.py), who runs a copy (benchmarks, tests/unit/test_compiled.py).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
MODULES: Final = (
    *(f"proxy/net/{name}.py" for name in ("ended", "ends", "exchange", "limits", "pieces", "pool", "refusal", "relaying")),
    *(f"proxy/net/{name}.py" for name in ("listener", "serving", "tapped", "tried", "turn")),
    "proxy/door.py",
    *(f"proxy/net/http1/{name}.py" for name in ("bodies", "heads", "inbound", "outbound", "writer")),
    *(f"proxy/net/http2/{name}.py" for name in ("blocks", "bodies", "connection", "fields", "frames", "inbound", "outbound")),
    *(f"proxy/net/http2/{name}.py" for name in ("sender", "stream")),
    *(f"proxy/routing/{name}.py" for name in ("hold", "router", "seen", "taps", "under_way")),
    *(f"proxy/mirror/{name}.py" for name in ("backlog", "damage", "entry", "journal", "log", "mirror", "net", "plan")),
    *(f"proxy/mirror/{name}.py" for name in ("pulse", "record", "sealed", "steps", "tail", "window", "writer")),
    "proxy/frontends/grpc.py",
    *(f"proxy/frontends/milvus/{name}.py" for name in ("calls", "decode_write", "errors", "frontend", "rest", "routes")),
    "proxy/frontends/qdrant/routes.py",
    *(f"proxy/milvus/{name}.py" for name in ("columns", "status")),
    *(f"proxy/backends/qdrant/{name}.py" for name in ("ids", "payload", "upsert", "vectors", "wire")),
)
"""What a call passes through each time, and a mirrored write. Not proxy/net/upstream.py: tests put upstreams of theirs in its
place, as subclasses, and a call passes it once. Not proxy/mirror/dirty.py: mypyc knows no asynchronous generators."""
_TYPES: Final = ("--config-file=", "--no-site-packages", "--ignore-missing-imports", "--follow-imports=silent")
"""Types come from our own sources and the standard library only, so that the code does not depend on what is installed."""

_DIRECT: Final = ("-fvisibility=hidden", "-fno-plt", "-fno-semantic-interposition")
"""Calls from one of our functions to another go straight there, not through a table that a library could replace them in: of
the memory that a call touches, a client's only one at a time finds all of it cold, a twelfth."""


def impossible() -> str | None:
    """Why nothing can be compiled here; None where it can."""
    missing = [name for name in ("mypyc", "setuptools") if importlib.util.find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} of the extra `dev` must be installed"
    compiler = os.environ.get("CC") or (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler.split()[0]) is None:
        return f"there is no C compiler ({compiler}): install one, Debian's gcc and libc6-dev for instance"
    if not (headers := Path(sysconfig.get_path("include"), "Python.h")).is_file():
        return f"Python's headers are missing ({headers}): install them, Debian's python3-dev for instance"
    return None


def build(out: Path, *, optimised: bool) -> None:
    """`out` is made anew. Raises RuntimeError where nothing can be compiled here; SystemExit where the code is at fault."""
    if (why := impossible()) is not None:
        raise RuntimeError(why)
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(ROOT / "proxy", out / "proxy", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    os.chdir(out)
    _compile("3" if optimised else "0")
    for left in ("build", ".mypy_cache"):
        shutil.rmtree(out / left)


def _compile(level: str) -> None:
    from mypyc.build import mypycify
    from setuptools import setup

    extensions = mypycify([*_TYPES, *MODULES], opt_level=level, multi_file=True, group_name="vecferry")
    for extension in extensions:
        extension.extra_compile_args += _DIRECT
    setup(
        name="vecferry", packages=[], ext_modules=extensions, script_args=["--quiet", "build_ext", "--inplace", "--parallel=2"]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--quick", action="store_true", help="compiles in less time to slower code")
    given = parser.parse_args()
    try:
        build(given.out.resolve(), optimised=not given.quick)
    except RuntimeError as error:
        sys.exit(f"the relay cannot be compiled: {error}")


if __name__ == "__main__":
    main()
