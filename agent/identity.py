"""This host's key and certificate: made at the first start and kept for good."""

from dataclasses import replace
from typing import Final

from agent.doors import Store
from sessiond.core.stamped import StampedSpec
from sessiond.errors import Broken
from sessiond.units import HostId, HostName
from sessiond.wire.identity import Identity, make_identity, read_identity

KEY: Final = "key"
# An id that an earlier version drew by lot; it still names the station's folder.
EARLIER: Final = "identity"

_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"


def load_identity(store: Store, name: HostName) -> Identity:
    """Return who this host is; made now if it is nobody yet.

    Key and certificate are one document, so that no crash leaves half of them.

    Raises:
        Broken: The state folder can't be read, or what is in it is damaged.
        Unavailable: The new identity can't be stored.
    """
    known = store.load(KEY)
    if known is not None:
        return _parsed(known)
    made = make_identity(name)
    store.save_secret(KEY, f"{made.key}{made.certificate}".encode("ascii"))
    return made


def station_label(store: Store) -> HostId | None:
    """Return what this host's folder for its station is called; None for nobody.

    A station that an earlier version started is found where it is.
    """
    earlier = _earlier(store)
    if earlier is not None:
        return earlier
    known = store.load(KEY)
    return None if known is None else _parsed(known).id


def carried_over(
    document: StampedSpec, name: HostName, identity: Identity, store: Store
) -> StampedSpec:
    """Return a stored document in which this host has its certificate's id.

    What an earlier version started in it is adopted then, and plays on.
    """
    earlier, member = _earlier(store), document.member(name)
    if member is None or earlier is None or member.id != earlier:
        return document
    mine = replace(member, id=identity.id, certificate=identity.certificate)
    members = tuple(mine if one is member else one for one in document.members)
    return replace(document, members=members)


def _earlier(store: Store) -> HostId | None:
    known = store.load(EARLIER)
    return None if known is None else HostId(known.decode("ascii"))


def _parsed(content: bytes) -> Identity:
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as e:
        raise Broken("The key of this identity is damaged.") from e
    key, mark, rest = text.partition(_CERTIFICATE)
    return read_identity(key, mark + rest)
