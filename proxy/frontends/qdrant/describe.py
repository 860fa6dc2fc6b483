"""What is told of one collection: of the catalog, and how many points the primary counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from qdrant_client.conversions.conversion import GrpcToRest

from proxy.frontends.qdrant import replies
from proxy.frontends.qdrant.calls import Call
from proxy.frontends.qdrant.routes import GRPC
from proxy.model.schema import Schema
from proxy.ports import Reply
from proxy.qdrant.schema import config_of, indexes_of
from proxy.qdrant.sdk import grpc as pb


def described(call: Call, schema: Schema, points: int) -> Reply:
    info = _info(schema, points)
    if call.role == GRPC:
        return replies.message(pb.GetCollectionInfoResponse(result=info))
    told = GrpcToRest.convert_collection_info(info).model_dump(mode="json", exclude_none=True)
    return replies.rest(_shortest(told))


def _info(schema: Schema, points: int) -> pb.CollectionInfo:
    """How many vectors are indexed is left out: nothing behind us is asked for it."""
    return pb.CollectionInfo(
        status=pb.CollectionStatus.Green,
        optimizer_status=pb.OptimizerStatus(ok=True),
        points_count=points,
        segments_count=1,
        config=config_of(schema),
        payload_schema=indexes_of(schema),
    )


def _shortest(tree: Any) -> Any:
    """A float32 as the server prints it: 0.9, though as a double it is 0.8999999761581421."""
    match tree:
        case dict():
            return {name: _shortest(each) for name, each in tree.items()}
        case list():
            return [_shortest(each) for each in tree]
        case float() if float(np.float32(tree)) == tree:
            return np.float32(tree)
        case _:
            return tree
