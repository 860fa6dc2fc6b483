"""A Qdrant-compatible server in one process, on Qdrant's own engine (qdrant-edge-py): for the demo, tests and laptops.

docs/local-qdrant.md tells what it has and what it refuses. Nothing of the proxy depends on it, and it on nothing of the proxy.
"""
