"""Qdrant as one of the two sides."""
