"""Generated from proto/sessiond/v1 by deploy/protoc; not to be edited."""
