"""Compiles protos/vecferry/*.proto into proxy/_pb at build time, for wheels and editable installs alike."""

from __future__ import annotations

from importlib.resources import files as files_of
from pathlib import Path
from typing import Any

from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProtoBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        out = root / "proxy" / "_pb"
        (out / "vecferry").mkdir(parents=True, exist_ok=True)
        for package in (out, out / "vecferry"):
            (package / "__init__.py").write_text("", "utf-8")
        files = sorted(str(path) for path in (root / "protos" / "vecferry").glob("*.proto"))
        common = files_of("grpc_tools") / "_proto"  # google/protobuf/struct.proto and the like
        code = protoc.main(["protoc", f"-I{root / 'protos'}", f"-I{common}", f"--python_out={out}", f"--pyi_out={out}", *files])
        if code:
            raise RuntimeError(f"protoc failed with {code} for {files}")
