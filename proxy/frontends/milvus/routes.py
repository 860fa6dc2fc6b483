"""Every call that a Milvus client can make, by its path alone: what kind it is.

The table lists all methods of MilvusService; a test compares it with the descriptor. REST v1 lives on the same port. Loads
nothing of Milvus, for workers need no more than this: what the calls carry is in messages.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.ports import Kind, Retry, Route

SERVICE: Final = "/milvus.proto.milvus.MilvusService/"
REST: Final = "/v1/vector/"
_READS: Final = ("Search", "HybridSearch", "Query", "GetCollectionStatistics", "GetPartitionStatistics")
_WRITES: Final[Mapping[str, Route]] = {
    "Insert": Route(Kind.WRITE, "Insert", needs_reply=True),
    "Upsert": Route(Kind.WRITE, "Upsert", needs_reply=True),
    "Delete": Route(Kind.WRITE, "Delete", by_filter=True),
}
_SCHEMA: Final = (
    "CreateCollection", "DropCollection", "RenameCollection",
    "CreateIndex", "DropIndex", "CreatePartition", "DropPartition",
    "CreateAlias", "AlterAlias", "DropAlias",
    "LoadCollection", "LoadPartitions", "ReleaseCollection", "ReleasePartitions",
)  # fmt: skip
_ADMIN: Final = (
    "Connect", "GetVersion", "CheckHealth", "GetComponentStates", "AllocTimestamp",
    "DescribeCollection", "BatchDescribeCollection", "HasCollection", "ShowCollections",
    "HasPartition", "ShowPartitions", "GetLoadState", "GetLoadingProgress",
    "DescribeIndex", "GetIndexState", "GetIndexBuildProgress", "GetIndexStatistics",
    "Flush", "FlushAll", "GetFlushState", "GetFlushAllState",
    "ListAliases", "DescribeAlias", "ListDatabases", "DescribeDatabase",
)  # fmt: skip
_CHANGING: Final = (
    "AlterCollection", "AlterCollectionField", "AlterCollectionSchema", "AddCollectionField", "AddCollectionStructField",
    "AddCollectionFunction", "AlterCollectionFunction", "DropCollectionFunction", "TruncateCollection",
    "Import", "ReplicateMessage", "CreateReplicateStream", "UpdateReplicateConfiguration", "DropDatabase", "AlterDatabase",
    "RestoreSnapshot", "RestoreExternalSnapshot", "RefreshExternalCollection", "BatchUpdateManifest",
    "CreateNamespace", "DropNamespace",
)  # fmt: skip
"""Opaque, and they change rows, or what a row is."""
_OTHER: Final = (
    "AlterIndex", "Prewarm", "DescribePrewarmTask",
    "DescribeNamespace", "ListNamespaces", "HasNamespace", "GetNamespaceStats",
    "CalcDistance", "GetPersistentSegmentInfo", "GetQuerySegmentInfo", "GetReplicas", "Dummy", "RegisterLink", "GetMetrics",
    "LoadBalance", "GetCompactionState", "ManualCompaction", "GetCompactionStateWithPlans", "GetImportState", "ListImportTasks",
    "CreateCredential", "UpdateCredential", "DeleteCredential", "ListCredUsers",
    "CreateRole", "AlterRole", "DropRole", "OperateUserRole", "SelectRole", "SelectUser",
    "OperatePrivilege", "OperatePrivilegeV2", "SelectGrant",
    "CreateResourceGroup", "DropResourceGroup", "UpdateResourceGroups", "TransferNode", "TransferReplica",
    "ListResourceGroups", "DescribeResourceGroup", "ListIndexedSegment", "DescribeSegmentIndexData",
    "CreateDatabase", "BackupRBAC", "RestoreRBAC",
    "CreatePrivilegeGroup", "DropPrivilegeGroup", "ListPrivilegeGroups", "OperatePrivilegeGroup",
    "RunAnalyzer", "AddFileResource", "RemoveFileResource", "ListFileResources",
    "AddUserTags", "DeleteUserTags", "GetUserTags", "ListUsersWithTag", "CreateRowPolicy", "DropRowPolicy", "ListRowPolicies",
    "GetReplicateConfiguration", "GetReplicateInfo", "DumpMessages", "ComputePhraseMatchSlop",
    "CreateSnapshot", "DropSnapshot", "ListSnapshots", "DescribeSnapshot", "ExportSnapshot", "GetExportSnapshotState",
    "GetRestoreSnapshotState", "ListRestoreSnapshotJobs", "PinSnapshotData", "UnpinSnapshotData",
    "GetRefreshExternalCollectionProgress", "ListRefreshExternalCollectionJobs",
)  # fmt: skip
"""Opaque, and no row is different afterwards."""

METHODS: Final[Mapping[str, Route]] = {
    **{name: Route(Kind.READ, name, Retry.SAFE) for name in _READS},
    **_WRITES,
    # Whether an index may stand beside the one that is there is asked only where Milvus has not answered it.
    **{name: Route(Kind.SCHEMA, name, needs_reply=name == "CreateIndex") for name in _SCHEMA},
    **{name: Route(Kind.ADMIN, name, Retry.SAFE) for name in _ADMIN},
    **{name: Route(Kind.OPAQUE, name, changes_data=True) for name in _CHANGING},
    **{name: Route(Kind.OPAQUE, name) for name in _OTHER},
}

_REST_WRITES: Final[Mapping[str, Route]] = {
    "insert": Route(Kind.WRITE, "POST /v1/vector/insert", needs_reply=True),
    "upsert": Route(Kind.WRITE, "POST /v1/vector/upsert", needs_reply=True),
    "delete": Route(Kind.WRITE, "POST /v1/vector/delete", by_filter=True),
}
_BY_PATH: Final[Mapping[tuple[bytes, bytes], Route]] = {
    **{(b"POST", (SERVICE + name).encode()): route for name, route in METHODS.items()},
    **{(b"POST", (REST + name).encode()): route for name, route in _REST_WRITES.items()},
    **{(b"POST", (REST + n).encode()): Route(Kind.OPAQUE, f"POST {REST}{n}") for n in ("query", "get", "search")},
    **{(b"GET", (REST + n).encode()): Route(Kind.OPAQUE, f"GET {REST}{n}") for n in ("collections", "collections/describe")},
    **{
        (b"POST", (REST + n).encode()): Route(Kind.OPAQUE, f"POST {REST}{n}", changes_data=True)
        for n in ("collections/create", "collections/drop")
    },
}


UNKNOWN: Final = Route(Kind.OPAQUE, "unknown call", changes_data=True)
UNKNOWN_READ: Final = Route(Kind.OPAQUE, "unknown read")


def route(method: bytes, path: bytes) -> Route:
    """Unknown paths are opaque, and change data unless they are a GET."""
    known = _BY_PATH.get((method, path)) or _BY_PATH.get((method, path.partition(b"?")[0]))
    if known is not None:
        return known
    # The path is the client's text, and names become labels of metrics: so it is no part of the name.
    return UNKNOWN_READ if method in (b"GET", b"HEAD") else UNKNOWN


def method_of(path: bytes) -> str | None:
    """The method of MilvusService that the path names, known or not; None for another service and for REST."""
    text = path.decode("utf-8", "replace")
    return text.removeprefix(SERVICE) if text.startswith(SERVICE) else None
