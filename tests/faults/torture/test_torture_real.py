"""`vecferry torture --spawn` on a real Milvus and a local Qdrant: the sidecar is killed again and again, and nothing is lost.

`VECFERRY_TORTURE_MINUTES=60` is the nightly form; with `VECFERRY_TORTURE_CHANGE=1` the primary changes too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pymilvus import MilvusClient

from demo.servers import free_port
from tests.servers.process import dying_with_parent
from tests.servers.qdrant import QdrantServer

if TYPE_CHECKING:
    from servers.milvus import MilvusServer

MINUTES = float(os.environ.get("VECFERRY_TORTURE_MINUTES", "0.5"))
CHANGES = ["--change-primary"] if os.environ.get("VECFERRY_TORTURE_CHANGE") else []
PATIENCE = 60 * MINUTES + 240


def settings(milvus: str, qdrant: QdrantServer, state: Path, phase: str = "mirror") -> dict[str, Any]:
    return {
        "source": {"product": "milvus", "url": milvus},
        "target": {"product": "qdrant", "url": qdrant.url, "grpc_url": qdrant.grpc_url},
        "listen": {"grpc": f"127.0.0.1:{free_port()}"},
        "admin": {"address": f"127.0.0.1:{free_port()}"},
        "state": str(state),
        "routing": {"phase": phase},
        "mirror": {"linger": "2s"},
    }


def torture(folder: Path, config: dict[str, Any], *options: str) -> tuple[int, str, str]:
    """(exit code, what it said, what it complained of). Whatever it started ends with it."""
    (folder / "vecferry.yaml").write_text(json.dumps(config))
    command = [str(Path(sys.executable).parent / "vecferry"), "torture", "--config", "vecferry.yaml", "--spawn", *options]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(dying_with_parent(command), cwd=folder, start_new_session=True, **pipes)
    try:
        said, complained = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, said, complained


@pytest.mark.milvus
@pytest.mark.slow
@pytest.mark.timeout(PATIENCE + 60)
def test_a_sidecar_that_is_killed_again_and_again_loses_nothing(
    milvus: MilvusServer, source: MilvusClient, target: QdrantServer, tmp_path: Path
) -> None:
    config = settings(milvus.url, target, tmp_path / "state")
    code, said, complained = torture(tmp_path, config, "--minutes", str(MINUTES), "--seed", "5", "--json", *CHANGES)
    assert code == 0, said + complained
    report = json.loads(said)
    client = target.client(prefer_grpc=False)
    left = [*source.list_collections(), *(each.name for each in client.get_collections().collections)]
    client.close()
    assert (report["clean"], report["left"], left) == (True, [], [])
    assert report["kills"] > 0
    assert report["calls"]["acknowledged"] > 100
    assert report["verdict"]["looks"] > 20
    assert report["verdict"]["keys"] > 50


@pytest.mark.milvus
@pytest.mark.usefixtures("source")
def test_a_phase_without_a_mirror_is_refused_with_what_to_do(
    milvus: MilvusServer, target: QdrantServer, tmp_path: Path
) -> None:
    code, _, complained = torture(tmp_path, settings(milvus.url, target, tmp_path / "state", "passthrough"), "--minutes", "1")
    assert (code, "vecferry phase mirror" in complained) == (2, True), complained
