"""Values survive the wire; what is no value of ours does not get in."""

import math
from contextlib import suppress
from dataclasses import replace

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessiond.core.election.messages import Hello, Presence
from sessiond.core.facts import HostFacts
from sessiond.core.namerules import HOST_NAME, SESSION_NAME
from sessiond.core.roles import Role
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.core.stamped import (
    LinkPort,
    Member,
    Person,
    Secrets,
    Stamp,
    StampedSpec,
    Station,
)
from sessiond.core.status import AudioStatus, ClockStatus, HostStatus, Verdict
from sessiond.errors import Refused
from sessiond.units import (
    Address,
    Certificate,
    HostId,
    HostName,
    MountPath,
    Seconds,
    SessionName,
    Term,
    TokenId,
    UdpPort,
)
from sessiond.v1 import (
    agent_pb2,
    election_pb2,
    peer_pb2,
    session_pb2,
    state_pb2,
    status_pb2,
)
from sessiond.wire import bounds
from sessiond.wire.convert import decode, encode, from_wire, message_names, to_wire
from sessiond.wire.messages import Done, GainRequest, HostsRequest, SessionRequest
from sessiond.wire.peer_messages import PeerEnvelope, Timestamps, WallSeconds
from tests.wire.values import ONLY_ON_THE_WIRE, TRAVELLERS, any_of

ALICE = HostName("alice")
ID = HostId("0123456789abcdef" * 2)
MIX = MountPath("/mix.ogg")
HERE = Address("h:1")


def test_every_message_has_its_value() -> None:
    assert message_names() == TRAVELLERS.keys() | ONLY_ON_THE_WIRE


@pytest.mark.parametrize("name", sorted(TRAVELLERS))
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(choose=st.data())
def test_every_value_survives(name: str, choose: st.DataObject) -> None:
    value = choose.draw(any_of(TRAVELLERS[name]))
    assert decode(TRAVELLERS[name], encode(value)) == value


def test_an_envelope_keeps_the_order_of_its_messages() -> None:
    hellos = tuple(
        Hello(term=Term(n), presence=Presence(stamp=Stamp(Term(n), n)))
        for n in (3, 1, 2)
    )
    envelope = PeerEnvelope(sender_name=ALICE, sender_id=ID, messages=hellos)
    assert decode(PeerEnvelope, encode(envelope)).messages == hellos


def test_a_set_is_sent_in_order() -> None:
    busy = frozenset({UdpPort(4466), UdpPort(4464), UdpPort(4465)})
    facts = HostFacts(name=ALICE, id=ID, address=HERE, busy_ports=busy)
    message = to_wire(facts)
    assert isinstance(message, status_pb2.HostFacts)
    assert list(message.busy_ports) == [4464, 4465, 4466]


def test_zero_is_not_absence() -> None:
    times = Timestamps(transmit=WallSeconds(1.0), receive=WallSeconds(0.0))
    assert decode(Timestamps, encode(times)) == times
    assert decode(ClockStatus, encode(ClockStatus(offset_ms=0.0))).offset_ms == 0.0


def test_seconds_wear_their_unit() -> None:
    message = to_wire(HostsRequest(wait=Seconds(2.5)))
    assert isinstance(message, agent_pb2.HostsRequest)
    assert message.wait_s == 2.5


def test_a_star_stands_for_everyone_only_among_a_mounts_sources() -> None:
    mount = MountSpec(path=MIX, codec=Codec.FLAC, bitrate_kbps=None)
    assert decode(MountSpec, encode(mount)).sources == ("*",)
    with pytest.raises(Refused, match=r"GainRequest\.host"):
        decode(
            GainRequest,
            agent_pb2.GainRequest(
                session="jam", mount="/mix.ogg", host="*"
            ).SerializeToString(),
        )


def test_what_an_older_sender_leaves_out_has_its_default() -> None:
    message = status_pb2.HostStatus(
        name="alice", id=ID, address="h:1", audio=status_pb2.AudioStatus()
    )
    assert from_wire(HostStatus, message) == HostStatus(
        name=ALICE, id=ID, address=HERE, audio=AudioStatus(jack_server="")
    )


def test_secrets_are_carried_exactly() -> None:
    secrets = Secrets(
        source='a"b\n#@^% -',
        admin="-x",
        mounts={MIX: "ünï\0"},
        join="A-_",
        station=Station(address="radio", port=8443, tls=True, host=ALICE),
    )
    assert decode(Secrets, encode(secrets)) == secrets


# ── what is refused, and the name by which it is ────────────────────────────────────

FACTS = status_pb2.HostFacts(name="alice", id=ID, address="h:1", clock="ok")


@pytest.mark.parametrize(
    ("cls", "message", "says"),
    [
        (
            HostFacts,
            status_pb2.HostFacts(name="alice", id=ID, address="h:1", clock="fine"),
            r"HostFacts\.clock is unknown: 'fine'",
        ),
        (
            PeerEnvelope,
            peer_pb2.PeerEnvelope(sender_name="a", sender_id=ID, facts=[FACTS] * 4097),
            r"PeerEnvelope\.facts has more than 4096",
        ),
        (
            PeerEnvelope,
            peer_pb2.PeerEnvelope(
                sender_name="a",
                sender_id=ID,
                messages=[election_pb2.ElectionMessage()],
            ),
            r"PeerEnvelope\.messages holds nothing that this version knows",
        ),
        (
            Hello,
            election_pb2.Hello(term=1),
            r"Hello\.presence is missing",
        ),
        (Hello, election_pb2.Hello(term=2**53), r"Hello\.term is more than"),
        (
            LinkPort,
            session_pb2.LinkPort(a="a", b="b", udp_port=65536, server="a"),
            r"LinkPort\.udp_port is more than 65535",
        ),
        (
            GainRequest,
            agent_pb2.GainRequest(
                session="jam", mount="/a.ogg", host="a", gain_db=math.nan
            ),
            r"GainRequest\.gain_db is not a finite number",
        ),
        (
            HostsRequest,
            agent_pb2.HostsRequest(wait_s=math.inf),
            r"HostsRequest\.wait is not a finite number",
        ),
        (
            MountSpec,
            session_pb2.MountSpec(path="/mix.ogg", codec="aac"),
            r"MountSpec\.codec is unknown: 'aac'",
        ),
        (
            MountSpec,
            session_pb2.MountSpec(path="/../etc.ogg", codec="opus"),
            r"MountSpec\.path is not a mount path",
        ),
        (
            MountSpec,
            session_pb2.MountSpec(path="/a.ogg", codec="opus", name="x" * 4097),
            r"MountSpec\.name is longer than 4096",
        ),
        (
            state_pb2.ProcPlan,
            state_pb2.ProcPlan(name="x", program="jackd", stage=17),
            r"ProcPlan\.stage is unknown: '17'",
        ),
        (
            SessionRequest,
            agent_pb2.SessionRequest(name="Friday Jam"),
            r"SessionRequest\.name is not a session name: 'Friday Jam'",
        ),
        (
            HostRef,
            session_pb2.HostRef(name="alice", address="192.168.1.20"),
            r"HostRef\.address is not HOST:PORT",
        ),
        *[
            (
                HostRef,
                session_pb2.HostRef(name="alice", address=address),
                r"HostRef\.address is not HOST:PORT",
            )
            for address in ("-bob:7700", "h:65536", "h:99999", "[::1%x]:1", "a b:1")
        ],
    ],
)
def test_what_is_no_value_is_refused_by_name(
    cls: type, message: Message, says: str
) -> None:
    known = TRAVELLERS[cls.__name__]
    with pytest.raises(Refused, match=says):
        from_wire(known, message)


LINES = "A" * 64 + "\n"


def pem(body: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("body", ["QQ==\n", LINES * 30, LINES * 9 + "A=\n"])
def test_a_certificate_is_carried_exactly(body: str) -> None:
    member = Member(name=ALICE, id=ID, certificate=Certificate(pem(body)))
    assert decode(Member, encode(member)) == member
    assert len(pem(body)) <= 2048


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        pem(""),
        pem(LINES * 31),
        pem("A" * 65 + "\n"),
        pem("A-A\n"),
        pem("A"),
        pem(LINES) * 2,
        pem(LINES) + "x",
        " " + pem(LINES),
        pem(LINES).replace("CERTIFICATE", "EC PRIVATE KEY"),
        pem(LINES).replace("\n", "\r\n"),
    ],
)
def test_anything_but_one_certificate_is_refused(text: str) -> None:
    message = session_pb2.Member(name="alice", id=ID, certificate=text)
    with pytest.raises(Refused, match=r"Member\.certificate is not a certificate"):
        from_wire(Member, message)


@pytest.mark.parametrize("text", ["", "h", "x" + "0" * 24, "h" + "0" * 25, "h*"])
def test_only_an_invitations_id_is_used(text: str) -> None:
    message = session_pb2.StampedSpec(used=[text])
    message.stamp.SetInParent()
    message.spec.name = "jam"
    message.spec.topology = "auto"
    with pytest.raises(Refused, match=r"StampedSpec\.used is not an invitation's id"):
        from_wire(StampedSpec, message)


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "g" * 64, "A" * 64])
def test_only_a_mark_names_the_join_secret(text: str) -> None:
    message = session_pb2.StampedSpec(join_mark=text)
    message.stamp.SetInParent()
    message.spec.name = "jam"
    message.spec.topology = "auto"
    with pytest.raises(Refused, match=r"join_mark is not a join secret's mark"):
        from_wire(StampedSpec, message)


@pytest.mark.parametrize("what", ["people", "used"])
def test_a_document_remembers_only_so_many(what: str) -> None:
    person = Person(
        label="Dora",
        id=ID,
        certificate=Certificate(pem(LINES)),
        role=Role.VIEWER,
    )
    token = TokenId("h" + "0" * 24)
    spec = SessionSpec(name=SessionName("jam"), hosts=())
    full = StampedSpec(
        stamp=Stamp(Term(1), 1),
        spec=spec,
        members=(),
        people=(person,) * 64,
        used=(token,) * 64,
    )
    assert decode(StampedSpec, encode(full)) == full
    more = {"people": (person,) * 65, "used": (token,) * 65}[what]
    with pytest.raises(Refused, match=rf"StampedSpec\.{what} has more than 64"):
        decode(StampedSpec, encode(replace(full, **{what: more})))  # type: ignore[arg-type]


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(Refused, match="no StampedSpec"):
        decode(StampedSpec, b"\xff\xff\xff")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=64))
def test_no_bytes_do_more_than_be_refused(content: bytes) -> None:
    with suppress(Refused):
        decode(PeerEnvelope, content)


def test_an_unknown_text_is_refused_with_what_is_known() -> None:
    message = status_pb2.HostFacts(name="alice", id=ID, address="h:1", clock="fine")
    with pytest.raises(Refused) as refused:
        from_wire(HostFacts, message)
    assert refused.value.hint == f"Known are: {', '.join(Verdict)}."


@given(st.text(max_size=60) | st.from_regex(r"[a-z0-9-]{1,50}", fullmatch=True))
def test_the_border_and_the_files_agree_on_names(text: str) -> None:
    for type_name, rule in (("HostName", HOST_NAME), ("SessionName", SESSION_NAME)):
        check = bounds.text_check("a name", type_name)
        if rule.accepts(text):
            assert check(text) == text
        else:
            with pytest.raises(Refused):
                check(text)


def test_a_type_without_a_message_is_a_bug() -> None:
    with pytest.raises(TypeError, match="no message Event"):
        to_wire(type("Event", (), {})())


def test_done_is_empty() -> None:
    assert encode(Done()) == b""


def test_a_full_session_is_far_below_the_limit() -> None:
    hosts = tuple(HostRef(name=HostName(f"host-{n}")) for n in range(200))
    spec = SessionSpec(name=SessionName("jam"), hosts=hosts)
    assert len(encode(spec)) < 10_000
