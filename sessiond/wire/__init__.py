"""The protobuf border: values to messages and back, clients and servers."""

import os

# gRPC's core writes lines of its own to stderr, where only our sentences belong; it
# reads this once, when it is first imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
