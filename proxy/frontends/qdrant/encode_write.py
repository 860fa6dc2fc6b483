"""Done writes -> Qdrant's replies."""

from __future__ import annotations

from typing import Any

from proxy.frontends.qdrant import replies
from proxy.frontends.qdrant.calls import Call
from proxy.frontends.qdrant.routes import GRPC, Action
from proxy.model.operation import Batch, Write
from proxy.ports import Reply
from proxy.qdrant.sdk import grpc as pb

_OF_COLLECTIONS = frozenset(
    {Action.CREATE_COLLECTION, Action.UPDATE_COLLECTION, Action.DELETE_COLLECTION, Action.UPDATE_ALIASES}
)


def encode_write(call: Call, write: Write) -> Reply:
    """It is durable and can be read, whatever the client waits for. No number of it: that is of the server's own log."""
    if call.role == GRPC:
        return replies.message(_message(call, write))
    if call.action in _OF_COLLECTIONS:
        return replies.rest(result=True)
    done = {"operation_id": None, "status": "completed" if call.wait else "acknowledged"}
    return replies.rest([done] * len(write.writes) if isinstance(write, Batch) else done)


def _message(call: Call, write: Write) -> Any:
    if call.action in _OF_COLLECTIONS:
        return pb.CollectionOperationResponse(result=True)
    done = pb.UpdateResult(status=pb.UpdateStatus.Completed if call.wait else pb.UpdateStatus.Acknowledged)
    if isinstance(write, Batch):
        return pb.UpdateBatchResponse(result=[done] * len(write.writes))
    return pb.PointsOperationResponse(result=done)
