"""Listening to mounts as the audience does; the agent and the command line use it."""
