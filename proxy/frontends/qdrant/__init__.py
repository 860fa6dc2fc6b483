"""Qdrant's wire protocol, REST and gRPC, decoded to the model and encoded from it."""
