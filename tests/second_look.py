"""Runs what failed beside other tests once more by itself: on two cores a server that is late is no fault.

Says what it runs again. What fails twice has failed; a test that judges whether something was lost gets no second look.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

NO_SECOND = ("tests/faults/kills", "tests/faults/simulation", "tests/faults/torture")
MOST = 20
"""More failures than these are no matter of chance."""


def main() -> int:
    cached = Path(".pytest_cache/v/cache/lastfailed")
    failed = sorted(json.loads(cached.read_text())) if cached.exists() else []
    if not failed or len(failed) > MOST or any(name.startswith(NO_SECOND) for name in failed):
        return 1
    print("\nfailed beside others, and run once more by themselves:", *failed, sep="\n  ", flush=True)
    return subprocess.call([sys.executable, "-m", "pytest", *failed])


if __name__ == "__main__":
    sys.exit(main())
