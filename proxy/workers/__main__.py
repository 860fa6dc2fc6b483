"""Started by the core (process.py); of no use by itself."""

from __future__ import annotations

import sys

from proxy.workers.worker import main

main(int(sys.argv[1]), int(sys.argv[2]))
