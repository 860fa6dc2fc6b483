"""pymilvus, without what its own `__init__` loads (pandas among it): `proxy.milvus.sdk.grpc_gen` holds Milvus's messages."""

from proxy.sdk import folders

__path__ = folders("pymilvus")
