"""What an agent writes down of itself: its procs, its home, its identity.

A restarted agent adopts what the records prove to be its own.
"""

import secrets
from dataclasses import dataclass

from agent.doors import Procs, Store
from agent.host import Host
from sessiond.core.proc import ProcIdentity, ProcPlan
from sessiond.core.procstates import Lifecycle, Running
from sessiond.core.stamped import Secrets
from sessiond.errors import Refused, SessiondError
from sessiond.units import HostId, ProcName, Seconds, SessionName
from sessiond.wire.convert import decode, encode
from sessiond.wire.peer_messages import GiveSecretsRequest

IDENTITY = "identity"
PROCS = "procs"
HOME = "home"
SECRETS = "secrets"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcRecord:
    """A process that was started, as proven later."""

    plan: ProcPlan
    identity: ProcIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcRecords:
    """Every process that lives."""

    records: tuple[ProcRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where this agent last ran, and what its owner said there.

    Attributes:
        consented: The owner's consent, or a member heard, in that boot and network.
        left: A session that its owner left while nobody could be told.
    """

    boot_id: str
    advertise: str
    muted: bool = False
    consented: bool = False
    left: str = ""


def load_identity(store: Store) -> HostId:
    """Return this host's id, made at the first start and kept for good.

    Raises:
        Broken: The state folder can't be read.
        Unavailable: The new id can't be stored.
    """
    known = store.load(IDENTITY)
    if known is not None:
        return HostId(known.decode("ascii"))
    made = HostId(secrets.token_hex(16))
    store.save(IDENTITY, made.encode("ascii"))
    return made


def save_records(host: Host, procs: Procs) -> None:
    """Write down which processes live; a failure is shown, never raised."""
    seen = procs.seen()
    records = tuple(
        ProcRecord(plan=state.plan, identity=seen[name].identity)
        for name, state in sorted(host.lifecycles.items())
        if name in seen
    )
    save(host, PROCS, encode(ProcRecords(records=records)))


def adopt(store: Store, procs: Procs) -> dict[ProcName, Lifecycle]:
    """Take over every recorded process that still is what it was."""
    content = store.load(PROCS)
    if content is None:
        return {}
    try:
        records = decode(ProcRecords, content).records
    except Refused:
        # Written by a later version: what can't be read can't be proven ours.
        return {}
    return {
        record.plan.name: Running(plan=record.plan, since=Seconds(0))
        for record in records
        if procs.adopt(record.plan.name, record.identity)
    }


def save(host: Host, name: str, content: bytes) -> None:
    """Store a document; a failure becomes the host's condition."""
    try:
        host.store.save(name, content)
    except SessiondError as e:
        host.store_error = e.sentence
    else:
        host.store_error = ""


def load_home(store: Store) -> Home | None:
    """Return where this agent last ran; None on a new machine."""
    content = store.load(HOME)
    try:
        return None if content is None else decode(Home, content)
    except Refused:
        return None


def remember(host: Host) -> None:
    """Write down where this agent runs and what its owner said there."""
    home = Home(
        boot_id=host.boot_id,
        advertise=host.config.advertise,
        muted=host.muted,
        consented=host.consented,
        left=host.left,
    )
    save(host, HOME, encode(home))


def set_muted(host: Host, *, muted: bool) -> None:
    """Close or open this host's inputs, and remember it."""
    host.muted = muted
    remember(host)


def load_secrets(store: Store) -> GiveSecretsRequest | None:
    """Return the stored passwords and the session that they are of."""
    content = store.load(SECRETS)
    try:
        return None if content is None else decode(GiveSecretsRequest, content)
    except Refused:
        return None


def save_secrets(host: Host, session: SessionName, passwords: Secrets) -> None:
    """Store the passwords in their own 0600 file.

    Raises:
        Unavailable: They could not be stored.
    """
    given = GiveSecretsRequest(session=session, secrets=passwords)
    host.store.save_secret(SECRETS, encode(given))
    host.secrets, host.secrets_of = passwords, session
