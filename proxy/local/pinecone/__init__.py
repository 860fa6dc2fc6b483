"""A local server that speaks Pinecone's API: control plane, and a port for each index with REST and gRPC on it.

In memory, brute force; docs/local-pinecone.md says what it lacks.
"""
