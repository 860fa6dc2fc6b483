"""What Milvus's frontend and backend share: pure conversions between Milvus's protobuf messages and the model. No I/O."""
