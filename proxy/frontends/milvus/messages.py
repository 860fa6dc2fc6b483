"""The messages that each method of MilvusService carries, from the descriptor that the SDK brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from google.protobuf.message_factory import GetMessageClass

from proxy.milvus.sdk.grpc_gen import milvus_pb2

Message: TypeAlias = Any
"""A protobuf message class or message; the stubs are not typed."""


@dataclass(frozen=True, slots=True)
class Call:
    request: Message
    response: Message


CALLS: Final[Mapping[str, Call]] = {
    method.name: Call(GetMessageClass(method.input_type), GetMessageClass(method.output_type))
    for method in milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"].methods
}
