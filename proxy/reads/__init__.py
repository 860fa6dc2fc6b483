"""Reads that are made of a backend's own: for every backend alike, with one meaning."""

from proxy.reads.answer import answer
from proxy.reads.examples import searched

__all__ = ["answer", "searched"]
