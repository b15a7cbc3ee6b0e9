"""A session in several states, as values that the tests share."""

from dataclasses import replace
from types import MappingProxyType

from sessiond.core.conditions import Reason, error, warning
from sessiond.core.election import Liveness, Role
from sessiond.core.hearing import MountSound
from sessiond.core.spec import Codec
from sessiond.core.specfile import parse_spec
from sessiond.core.stamped import LinkPort, Member, Stamp, StampedSpec, Station
from sessiond.core.status import (
    AudioStatus,
    ClockStatus,
    HostStatus,
    LinkState,
    LinkStatus,
    MountState,
    MountStatus,
    Phase,
    ProcState,
    ProcStatus,
    SessionStatus,
    StripLevel,
    Verdict,
)
from sessiond.units import (
    Address,
    Decibels,
    Frames,
    Hertz,
    HostId,
    HostName,
    Kbps,
    MountPath,
    ProcName,
    Seconds,
    SessionName,
    Term,
    UdpPort,
)

ALICE, BOB, CAROL = HostName("alice"), HostName("bob"), HostName("carol")
JAM = SessionName("friday-jam")
STAMP = Stamp(Term(3), 2)
MIX, SOLO = MountPath("/mix.ogg"), MountPath("/solo.flac")

LINK = (
    f"jam://192.168.1.20:7701/friday-jam?key={'a' * 32}"
    "&t=h6a5b4c3d0123456789abcdef.AAECAwQFBgcICQoLDA0ODw"
)
"""For one host; good until the summer of 2026."""

FILE = """\
name = "friday-jam"
hosts = ["alice", "bob", "carol"]

[[mount]]
path = "/mix.ogg"
"""

STAMPED = StampedSpec(
    stamp=STAMP,
    spec=parse_spec(FILE).spec,
    members=(
        Member(name=ALICE, id=HostId("a" * 32), address=Address("192.168.1.20:7700")),
        Member(name=BOB, id=HostId("b" * 32), address=Address("192.168.1.21:7700")),
        Member(name=CAROL),
    ),
    links=(LinkPort(a=ALICE, b=BOB, udp_port=UdpPort(4464), server=ALICE),),
    station=Station(address="192.168.1.20", port=8000, host=ALICE),
)

_alice = HostStatus(
    name=ALICE,
    id=HostId("a" * 32),
    address=Address("192.168.1.20:7700"),
    voter=True,
    audio=AudioStatus(
        jack_server="default",
        rate_hz=Hertz(48000),
        period_frames=Frames(128),
        dsp_load=0.03,
    ),
    clock=ClockStatus(
        verdict=Verdict.OK,
        offset_ms=0.08,
        bound_ms=0.5,
        servers=4,
        peers_offset_ms=MappingProxyType({BOB: 0.1}),
    ),
    procs=(
        ProcStatus(
            name=ProcName("link-bob"),
            program="jacktrip",
            pid=411,
            state=ProcState.RUNNING,
        ),
    ),
    strips=(
        StripLevel(host=BOB, peak_db=Decibels(float("-inf")), rms_db=Decibels(-30.0)),
    ),
)
_bob = HostStatus(
    name=BOB,
    id=HostId("b" * 32),
    address=Address("192.168.1.21:7700"),
    voter=True,
    muted=True,
    audio=AudioStatus(jack_server="default"),
    conditions=(
        warning(Reason.CLOCK_UNKNOWN, "No time server answers.", "Look at [clock]."),
        error(Reason.JACK_ABSENT, "No JACK server runs here."),
    ),
)
_carol = HostStatus(
    name=CAROL,
    id=None,
    address=None,
    state=Liveness.GONE,
    audio=AudioStatus(jack_server=""),
)
_link = LinkStatus(
    a=ALICE, b=BOB, state=LinkState.UP, udp_port=UdpPort(4464), rtt_ms=0.42
)
_mix = MountStatus(
    path=MIX,
    url="http://192.168.1.20:8000/mix.ogg",
    state=MountState.LIVE,
    host=ALICE,
    format=Codec.VORBIS,
    bitrate_kbps=Kbps(128),
    listeners=12,
    peak_db=Decibels(-9.14),
    sound=MountSound(
        path=MIX,
        listening=True,
        progressing=True,
        age_s=Seconds(0.5),
        loudness_lufs=Decibels(-18.34),
        true_peak_db=Decibels(-1.5),
        delay_s=Seconds(4.21),
    ),
    heard_by=BOB,
)
_solo = MountStatus(
    path=SOLO,
    url="",
    state=MountState.DOWN,
    host=None,
    format=Codec.FLAC,
    bitrate_kbps=None,
    peak_db=Decibels(float("-inf")),
    conditions=(error(Reason.SOURCE_DENIED, "Icecast refuses the password."),),
)

ON_AIR = SessionStatus(
    session=JAM,
    stamp=STAMP,
    phase=Phase.DEGRADED,
    leader=ALICE,
    role=Role.LEADER,
    broadcaster=ALICE,
    standby=BOB,
    hosts=(_alice, _bob, _carol),
    links=(_link,),
    mounts=(_mix, _solo),
)
LIVE = replace(ON_AIR, phase=Phase.ON_AIR, mounts=(_mix,))
FORMING = SessionStatus(
    session=JAM,
    stamp=STAMP,
    phase=Phase.FORMING,
    hosts=(_alice, replace(_bob, state=Liveness.GONE), _carol),
    links=(
        replace(_link, state=LinkState.CONNECTING),
        replace(_link, b=CAROL, state=LinkState.DOWN, udp_port=UdpPort(4465)),
    ),
    mounts=(replace(_mix, state=MountState.DOWN, host=None),),
)
WITHOUT_MOUNTS = replace(FORMING, mounts=())
JAMMING = replace(
    WITHOUT_MOUNTS, phase=Phase.JAMMING, links=(_link, WITHOUT_MOUNTS.links[1])
)
