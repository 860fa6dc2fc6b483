"""Records what a pymilvus version really sends: `python tests/wire/milvus/record.py VERSION PYTHON`.

PYTHON is the interpreter of an environment with that version (`pip install pymilvus==VERSION "setuptools<81"`). The scenario
runs there against the facade; what it saw must be `expected.json`, and every request lands in `recorded/VERSION.json` with
the operation it means, to be read by a human before it is committed.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def main(version: str, python: str) -> None:
    sys.path[:0] = [str(HERE)]
    from milvus_facade import Facade, FacadeServer
    from recording import meanings

    with FacadeServer(Facade()) as server:
        ran = subprocess.run(
            [python, "-W", "ignore", str(HERE / "scenario.py"), server.url], stdout=subprocess.PIPE, check=True, text=True
        )
    saw = json.loads(ran.stdout.splitlines()[-1])
    expected = HERE / "expected.json"
    if not expected.exists():
        expected.write_text(json.dumps(saw, indent=1) + "\n")
    if saw != json.loads(expected.read_text()):
        raise SystemExit(f"{version} saw something else: {json.dumps(saw, indent=1)}")
    requests = [_row(request) for request in server.facade.asked]
    rows = [{**row, "means": means} for row, means in zip(requests, meanings(requests), strict=True)]
    (HERE / "recorded" / f"{version}.json").write_text(json.dumps(rows, indent=1) + "\n")
    print(f"{version}: {len(rows)} requests")


def _row(request: Any) -> dict[str, Any]:
    kept = {b"dbname", b"grpc-encoding"}
    headers = [[key.decode(), value.decode()] for key, value in request.headers if key in kept]
    return {"path": request.path.decode(), "headers": headers, "body": base64.b64encode(request.body).decode()}


if __name__ == "__main__":
    main(*sys.argv[1:])
