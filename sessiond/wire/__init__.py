"""The protobuf border: values to messages and back, clients and servers."""
