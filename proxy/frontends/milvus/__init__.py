"""Milvus's wire protocol, decoded to the model and encoded from it."""
