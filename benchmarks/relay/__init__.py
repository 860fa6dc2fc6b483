"""Vecferry beside Envoy and nginx in one run: cost, throughput, tails, memory. run.py measures, page.py shows."""
