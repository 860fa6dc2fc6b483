"""Vecferry: a sidecar that moves a live application from one vector database to another."""
