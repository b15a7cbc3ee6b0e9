"""The ear: a process that listens to the session's mounts as listeners do."""
