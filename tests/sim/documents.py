"""The documents that simulated sessions, and the electors' own tests, are about."""

from dataclasses import replace

from sessiond.core.spec import (
    BroadcastSettings,
    Codec,
    HostRef,
    MountSpec,
    NetworkProfile,
    SessionSpec,
    StandbyMode,
)
from sessiond.core.stamped import Member, Stamp, StampedSpec
from sessiond.units import HostId, HostName, Kbps, MountPath, SessionName, Term

SESSION = SessionName("jam")


def member(name: HostName) -> Member:
    """Return a host that has joined."""
    return Member(name=name, id=HostId(name.encode().hex().ljust(32, "0")[:32]))


def document(
    names: tuple[HostName, ...],
    *,
    mounts: bool = True,
    network: NetworkProfile = NetworkProfile.LAN,
    never: frozenset[HostName] = frozenset(),
    standby: StandbyMode = StandbyMode.COLD,
) -> StampedSpec:
    """Return a session's document before its first stamp."""
    mix = MountSpec(
        path=MountPath("/mix.ogg"), codec=Codec.VORBIS, bitrate_kbps=Kbps(128)
    )
    spec = SessionSpec(
        name=SESSION,
        hosts=tuple(HostRef(name=name) for name in names),
        broadcast=BroadcastSettings(network=network, never=never, standby=standby),
        mounts=(mix,) if mounts else (),
    )
    members = tuple(map(member, names))
    return StampedSpec(stamp=Stamp(Term(0), 0), spec=spec, members=members)


def awaiting(old: StampedSpec, names: frozenset[HostName]) -> StampedSpec:
    """Return the document in which these hosts are named and have not joined."""
    members = tuple(Member(name=m.name) if m.name in names else m for m in old.members)
    return replace(old, members=members)


def joined(old: StampedSpec, name: HostName) -> StampedSpec:
    """Return the document in which this host has taken its place."""
    members = tuple(member(name) if m.name == name else m for m in old.members)
    return replace(old, members=members)


def edited(old: StampedSpec, change: int) -> StampedSpec:
    """Return the document with one more change written into its mount."""
    (mix,) = old.spec.mounts
    mix = replace(mix, description=f"{mix.description}<{change}>")
    return replace(old, spec=replace(old.spec, mounts=(mix,)))


def with_members(old: StampedSpec, names: tuple[HostName, ...]) -> StampedSpec:
    """Return the document for other members."""
    spec = replace(old.spec, hosts=tuple(HostRef(name=name) for name in names))
    return replace(old, spec=spec, members=tuple(map(member, names)))
