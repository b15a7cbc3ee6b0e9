"""What a session is: values, pure decisions, the wire and the command line."""
