"""Example sessions as values: specs, documents, facts, views; shared by core tests."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from sessiond.core.configfile import AudioConfig
from sessiond.core.election import Leadership, Liveness, Role, Why
from sessiond.core.facts import HostFacts
from sessiond.core.proc import ProcIdentity, ProcSeen
from sessiond.core.settle import Identities, first_document, settle
from sessiond.core.spec import (
    EVERYONE,
    Codec,
    HostRef,
    IcecastServer,
    MountSpec,
    SessionSpec,
)
from sessiond.core.stamped import Stamp, StampedSpec, Station
from sessiond.core.view import HostSetup, SessionView
from sessiond.units import (
    Address,
    Certificate,
    Frames,
    Hertz,
    HostId,
    HostName,
    Kbps,
    MountPath,
    Seconds,
    SessionName,
    Term,
)

ALICE: Final = HostName("alice")
BOB: Final = HostName("bob")
CAROL: Final = HostName("carol")
TRIO: Final = (ALICE, BOB, CAROL)

RADIO: Final = Station(address="radio.local", port=8000)
NOW: Final = Seconds(1000.0)


def hosts(count: int) -> tuple[HostName, ...]:
    """Return this many host names, in the order of their rank."""
    return tuple(HostName(f"h{number:02d}") for number in range(count))


def mount(
    path: str = "/mix.ogg", *sources: HostName, codec: Codec = Codec.VORBIS
) -> MountSpec:
    return MountSpec(
        path=MountPath(path),
        codec=codec,
        bitrate_kbps=None if codec is Codec.FLAC else Kbps(128),
        sources=sources or (HostName(EVERYONE),),
    )


def session(
    names: tuple[HostName, ...] = TRIO,
    mounts: tuple[MountSpec, ...] | None = None,
    **fields: object,
) -> SessionSpec:
    """Return a spec; with somebody's Icecast and one mount unless told otherwise."""
    given: dict[str, Any] = {
        "name": SessionName("jam"),
        "hosts": tuple(HostRef(name=name) for name in names),
        "mounts": (mount(),) if mounts is None else mounts,
        "icecast": IcecastServer(host="radio.local"),
    }
    return SessionSpec(**(given | fields))


def facts(name: HostName, **fields: object) -> HostFacts:
    given: dict[str, Any] = {
        "name": name,
        "id": HostId(f"{name.encode().hex():0<32}"[:32]),
        "address": Address(f"{name}.local:7700"),
        "able": True,
        "rate_hz": Hertz(48000),
        "period_frames": Frames(128),
    }
    return HostFacts(**(given | fields))


def all_facts(names: tuple[HostName, ...] = TRIO) -> dict[HostName, HostFacts]:
    return {name: facts(name) for name in names}


def certificate(name: str) -> Certificate:
    """Return what may stand for somebody's certificate where nobody looks into it."""
    body = f"{name}{'A' * 64}"[:64].replace("-", "/")
    return Certificate(
        f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
    )


def identities(*names: HostName) -> Identities:
    return {name: (facts(name).id, certificate(name)) for name in names}


def document(
    spec: SessionSpec | None = None,
    *,
    leader: HostName | None = None,
    standby: HostName | None = None,
    station: Station | None = RADIO,
    **fields: object,
) -> StampedSpec:
    """Return a settled and stamped document whose hosts were all found."""
    spec = spec or session()
    found = all_facts(spec.host_names)
    begun = first_document(
        spec,
        found,
        station if spec.mounts else None,
        identities=identities(*spec.host_names),
    )
    stamped = replace(begun, stamp=Stamp(Term(1), 1), voters=spec.preference[:7])
    settled = settle(stamped, found, leader=leader, standby=standby)
    return replace(settled, **fields)  # type: ignore[arg-type]


def leadership(
    doc: StampedSpec | None,
    leader: HostName | None = ALICE,
    *,
    standby: HostName | None = BOB,
    right: bool = False,
    **fields: object,
) -> Leadership:
    names = doc.spec.host_names if doc else ()
    given: dict[str, Any] = {
        "term": Term(1),
        "stamped": doc,
        "leader": leader,
        "role": Role.LEADER if leader else None,
        "broadcaster": leader,
        "standby": standby,
        "my_role": None,
        "right": right,
        "grant": 1 if right else 0,
        "why": Why.FOLLOWS,
        "heard_leader_ago": Seconds(0.1) if leader else None,
        "heard_member": True,
        "liveness": dict.fromkeys(names, Liveness.ALIVE),
        "watch": False,
        "fence": None,
        "unmerged": False,
    }
    return Leadership(**(given | fields))


def view(
    me: HostName = ALICE,
    doc: StampedSpec | None = None,
    *,
    leader: HostName | None = ALICE,
    standby: HostName | None = BOB,
    audio: AudioConfig | None = None,
    **fields: object,
) -> SessionView:
    """Return a host's view; the leader has the right to feed the mounts."""
    doc = doc or document()
    right = me == leader and bool(doc.spec.mounts)
    given: dict[str, Any] = {
        "setup": setup(me, audio),
        "stamped": doc,
        "leadership": leadership(doc, leader, standby=standby, right=right),
        "facts": all_facts(doc.spec.host_names),
        "liveness": dict.fromkeys(doc.spec.host_names, Liveness.ALIVE),
    }
    return SessionView(**(given | fields))


def setup(me: HostName = ALICE, audio: AudioConfig | None = None) -> HostSetup:
    return HostSetup(
        name=me,
        audio=audio or AudioConfig(),
        python="/venv/bin/python",
        run_folder="/state/run",
        station_folder="/run/sessiond/x",
    )


def seen(pid: int = 411, exit_code: int | None = None, tail: str = "") -> ProcSeen:
    identity = ProcIdentity(pid=pid, started=pid * 10, boot_id="b", argv_hash="a")
    return ProcSeen(identity=identity, exit_code=exit_code, tail=tail)


def without(found: Mapping[HostName, HostFacts], *names: HostName) -> dict[Any, Any]:
    return {name: fact for name, fact in found.items() if name not in names}
