"""What an agent writes down of itself: its procs, its home, its passwords.

A restarted agent adopts what the records prove to be its own.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from agent.bell import TurnBell
from agent.doors import LEAST_ROOM, Procs, Store
from agent.host import Host
from sessiond.core.proc import ProcIdentity, ProcPlan
from sessiond.core.procstates import Lifecycle, Running
from sessiond.core.specwriter import format_spec
from sessiond.core.stamped import Secrets, StampedSpec
from sessiond.errors import Broken, Refused, SessiondError, Unavailable
from sessiond.units import ProcName, Seconds, SessionName
from sessiond.wire.convert import decode, encode
from sessiond.wire.peer_messages import GiveSecretsRequest

PROCS = "procs"
HOME = "home"
SECRETS = "secrets"
CONFLICT = "conflict"
ROOM = "room"

# Without them a crash would be heard: a child that nobody adopts, an open microphone.
NEEDED: Final = frozenset({PROCS, HOME})
# A full disk is emptied by a person, who then looks whether it helped.
TRY_AGAIN: Final = Seconds(1.0)
NO_ROOM: Final = "the disk that the state lies on is full"


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
        muted_by_owner: Nobody else undoes that.
        consented: The owner's consent, or a member heard, in that boot and network.
        left: A session that its owner left while nobody could be told.
    """

    boot_id: str
    advertise: str
    muted: bool = False
    muted_by_owner: bool = False
    consented: bool = False
    left: str = ""


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
    """Store a document; a failure is the host's condition until it is made good."""
    try:
        host.store.save(name, content, spare=name in NEEDED)
    except SessiondError as e:
        owe(host, name, content, e)
    else:
        note_stored(host, name)


def owe(host: Host, name: str, content: bytes, error: SessiondError) -> None:
    """Note that a document could not be stored, and why."""
    host.unstored[name] = content
    host.store_error = error.sentence


def note_stored(host: Host, name: str) -> None:
    """Note that a document is stored, or one for which there was no room before."""
    host.unstored.pop(name, None)
    if not host.unstored:
        host.store_error = ""


def owe_room(host: Host, content: bytes, error: SessiondError) -> None:
    """Note that there is no room for a document that must not be stored later.

    What could not be promised was not promised. To know when there is room again,
    something is written that is as large and says nothing.
    """
    owe(host, ROOM, bytes(len(content)), error)


def make_good(host: Host) -> None:
    """Store what could not be stored before."""
    for name, content in tuple(host.unstored.items()):
        save(host, name, content)
        if name == ROOM and name not in host.unstored:
            with suppress(SessiondError):
                host.store.erase(ROOM)


async def keep_stored(host: Host, bell: TurnBell) -> None:
    """Make good what could not be stored, and notice a full disk, for ever.

    Args:
        host: This host.
        bell: Rung when the condition comes and when it is gone.
    """
    pause = TurnBell(asyncio.get_running_loop())
    while True:
        await pause.wait(TRY_AGAIN)
        before = bool(host.unstored)
        if before:
            make_good(host)
        elif not host.store.has_room():
            # Before somebody asks for a vote.
            owe_room(host, bytes(LEAST_ROOM), Unavailable(NO_ROOM))
        if before != bool(host.unstored):
            bell()


def keep_conflict(host: Host, lost: StampedSpec) -> None:
    """Keep the losing document of a partition as a session file, and show it.

    There is one at a time: whoever lost twice wants the later one.
    """
    host.conflict = True
    save(host, CONFLICT, format_spec(lost.spec).encode())


def drop_conflict(host: Host) -> None:
    """Forget a losing document: its session has ended, or was changed since."""
    host.conflict = False
    note_stored(host, CONFLICT)
    with suppress(SessiondError):
        host.store.erase(CONFLICT)


def has_conflict(store: Store) -> bool:
    """Tell whether a losing document lies here, be it damaged."""
    try:
        return store.load(CONFLICT) is not None
    except Broken:
        return True


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
        muted_by_owner=host.muted_by_owner,
        consented=host.consented,
        left=host.left,
    )
    save(host, HOME, encode(home))


def set_muted(host: Host, *, muted: bool, by_owner: bool) -> None:
    """Close or open this host's inputs, and remember it.

    Raises:
        Refused: The owner has closed them, and somebody else would open them.
    """
    if host.muted_by_owner and not (muted or by_owner):
        raise Refused(
            f"The owner of {host.name} has muted it.",
            f"Only `sessiond unmute` on {host.name} itself opens it again.",
        )
    host.muted = muted
    host.muted_by_owner = muted and (by_owner or host.muted_by_owner)
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
    content = encode(GiveSecretsRequest(session=session, secrets=passwords))
    try:
        host.store.save_secret(SECRETS, content)
    except SessiondError as e:
        owe_room(host, content, e)
        raise
    host.secrets, host.secrets_of = passwords, session
