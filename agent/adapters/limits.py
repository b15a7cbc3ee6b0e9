"""What this process and its children may take: open files, and no core file."""

import resource
from typing import Final

# Two listeners' connections (`sessiond.wire.server.MOST_CONNECTIONS`), a line to each
# host of the roster, and room for everything else twice over.
WANTED: Final = 8192


def raise_limit(wanted: int = WANTED) -> int:
    """Let this process have as many descriptors as it may, up to `wanted`.

    A login's limit is 1,024 for the sake of programs that use select(2); ours use
    epoll(7), and our children need few. Returns the limit; never lowers it.

    Source: getrlimit(2); systemd's NEWS for version 240.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        return allowed
    return wanted if soft == resource.RLIM_INFINITY else soft


def write_no_core() -> None:
    """Have no crash of this process or of a child put its memory into a file.

    Passwords, keys and invitations lie there.

    Source: core(5).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
