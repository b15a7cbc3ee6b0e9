"""What invitations are made of: the session's join secret, and whether it is good.

The document names the present one by its mark. Whoever has another one, because it was
away or was not told in time, neither invites nor lets in; a leader makes a new one.
"""

import secrets as random_secrets

from agent.host import Host
from sessiond.core.joining import JOIN_SECRET_BYTES, join_mark
from sessiond.core.stamped import StampedSpec


def join_secret() -> str:
    """Return a new secret of which a session's invitations are made."""
    return random_secrets.token_urlsafe(JOIN_SECRET_BYTES)


def present_join(host: Host, document: StampedSpec | None) -> str:
    """Return the join secret that the document names; empty where this host lacks it.

    Args:
        host: This host, with what it was given last.
        document: The session's newest one here.
    """
    known, mark = host.secrets.join, document.join_mark if document else None
    if document is None or mark is None or host.secrets_of != document.spec.name:
        return ""
    return known if join_mark(known) == mark else ""
