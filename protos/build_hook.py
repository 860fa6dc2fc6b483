"""Compiles protos/vecferry/*.proto into proxy/_pb at build time, for wheels and editable installs alike.

With VECFERRY_COMPILE=1 a wheel has the relay as machine code too (compiled/build.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.resources import files as files_of
from pathlib import Path
from typing import Any, Final

from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILE: Final = "VECFERRY_COMPILE"
COMPILER: Final = ["mypy[mypyc]>=2.4,<3", "setuptools>=65.5"]
"""What the compiling takes; other builds do not ask for it."""


class ProtoBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return COMPILER if _wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        _translate(root)
        if not _wanted() or self.target_name != "wheel":
            return
        if version == "editable":
            raise RuntimeError(f"{COMPILE}=1 makes wheels; an editable install runs the sources")
        self._folder = tempfile.TemporaryDirectory(prefix="vecferry-compiled-")
        out = Path(self._folder.name)
        if subprocess.run([sys.executable, str(root / "compiled" / "build.py"), str(out)], check=False).returncode:
            raise RuntimeError(f"the relay was not compiled, see above; without {COMPILE} it is installed as Python")
        build_data["pure_python"], build_data["infer_tag"] = False, True
        build_data["force_include"] |= {str(file): str(file.relative_to(out)) for file in out.rglob("*.so")}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def _wanted() -> bool:
    given = os.environ.get(COMPILE, "")
    if given not in ("", "0", "1"):
        raise RuntimeError(f"{COMPILE} is 1 or 0, not {given!r}")
    return given == "1"


def _translate(root: Path) -> None:
    out = root / "proxy" / "_pb"
    (out / "vecferry").mkdir(parents=True, exist_ok=True)
    for package in (out, out / "vecferry"):
        (package / "__init__.py").write_text("", "utf-8")
    files = sorted(str(path) for path in (root / "protos" / "vecferry").glob("*.proto"))
    common = files_of("grpc_tools") / "_proto"  # google/protobuf/struct.proto and the like
    code = protoc.main(["protoc", f"-I{root / 'protos'}", f"-I{common}", f"--python_out={out}", f"--pyi_out={out}", *files])
    if code:
        raise RuntimeError(f"protoc failed with {code} for {files}")
