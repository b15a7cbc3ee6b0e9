"""An agent's two APIs with fixed answers; what they were asked is kept."""

import asyncio
from collections.abc import AsyncIterator

import grpc

from sessiond.core.facts import HostFacts
from sessiond.core.roles import Role
from sessiond.core.spec import HostRef, SessionSpec
from sessiond.core.stamped import Member, Secrets, Stamp, StampedSpec
from sessiond.core.status import (
    AudioStatus,
    Finding,
    HostSighting,
    HostStatus,
    Phase,
    SessionStatus,
    Verdict,
)
from sessiond.errors import SessiondError
from sessiond.units import (
    Address,
    Decibels,
    HostId,
    HostName,
    MountPath,
    Seconds,
    SessionName,
    Term,
)
from sessiond.wire.address import parse_address
from sessiond.wire.channel import open_channel
from sessiond.wire.client import AgentClient
from sessiond.wire.peer_client import PeerClient
from sessiond.wire.peer_messages import (
    AdmitRequest,
    ConsiderRequest,
    HelloReply,
    HelloRequest,
    PeerEnvelope,
)
from tests.support.identities import ListedTrust, identity_of, trusting

ALICE = HostName("alice")
ID = identity_of("alice").id
SERVER = identity_of("server")
HERE = Address("127.0.0.1:7700")
JAM = SessionName("jam")
STAMP = Stamp(Term(3), 2)
SPEC = SessionSpec(name=JAM, hosts=(HostRef(name=ALICE),))
STAMPED = StampedSpec(stamp=STAMP, spec=SPEC, members=(Member(name=ALICE),))
STATUS = SessionStatus(session=JAM, stamp=STAMP, phase=Phase.FORMING)
SIGHTING = HostSighting(name=ALICE, id=ID, address=HERE, version="0.1.0")
FACTS = HostFacts(name=ALICE, id=ID, address=HERE)
LINK = "jam://127.0.0.1:7701/jam?key=…&t=…"
FINDING = Finding(subject="JACK", verdict=Verdict.OK, sentence="A server runs.")
HOST_STATUS = HostStatus(
    name=ALICE, id=ID, address=HERE, audio=AudioStatus(jack_server="default")
)


def trust() -> ListedTrust:
    """Return a trust in two agents, and in one person of each kind."""
    return trusting(
        alice=Role.HOST, mate=Role.ACQUAINTANCE, olga=Role.OPERATOR, vera=Role.VIEWER
    )


def peer_line(where: str, who: str = "alice") -> PeerClient:
    """Return a line to a server of `SERVER`."""
    return PeerClient(where, pinned=SERVER.certificate, identity=identity_of(who))


def people_line(where: str, who: str = "olga") -> AgentClient:
    """Return a person's line to a server of `SERVER`."""
    return AgentClient(where, pinned=SERVER.certificate, identity=identity_of(who))


def channel_to(where: str, who: str = "alice") -> grpc.aio.Channel:
    """Return a channel to a server of `SERVER`."""
    return open_channel(
        parse_address(where), pinned=SERVER.certificate, identity=identity_of(who)
    )


class Agent:
    """Answers people, about who belongs too.

    Attributes:
        asked: Every call with its arguments, oldest first.
        raises: What the next calls end with instead of an answer.
        watching: How many callers of `watch` are still there.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.raises: Exception | None = None
        self.watching = 0

    def _note(self, *call: object) -> None:
        self.asked.append(call)
        if self.raises:
            raise self.raises

    async def hosts(self, wait: Seconds) -> tuple[HostSighting, ...]:
        self._note("hosts", wait)
        return (SIGHTING,)

    async def create(
        self, spec: SessionSpec, secrets: Secrets, *, by_owner: bool = False
    ) -> StampedSpec:
        self._note("create", spec, secrets, by_owner)
        return STAMPED

    async def apply(
        self, spec: SessionSpec, secrets: Secrets, based_on: Stamp | None
    ) -> StampedSpec:
        self._note("apply", spec, secrets, based_on)
        return STAMPED

    async def spec(self, name: SessionName | None) -> StampedSpec:
        self._note("spec", name)
        return STAMPED

    async def status(self, name: SessionName | None) -> SessionStatus:
        self._note("status", name)
        return STATUS

    async def watch(self, name: SessionName | None) -> AsyncIterator[SessionStatus]:
        self.watching += 1
        try:
            self._note("watch", name)
            yield STATUS
            yield STATUS
            await asyncio.Event().wait()
        finally:
            self.watching -= 1

    async def gain(
        self,
        session: SessionName,
        mount: MountPath,
        host: HostName,
        gain_db: Decibels,
    ) -> Stamp:
        self._note("gain", session, mount, host, gain_db)
        return STAMP

    async def title(self, session: SessionName, mount: MountPath, title: str) -> Stamp:
        self._note("title", session, mount, title)
        return STAMP

    async def mute(
        self, host: HostName | None, *, muted: bool, by_owner: bool = False
    ) -> None:
        self._note("mute", host, muted, by_owner)

    async def leave(self) -> None:
        self._note("leave")

    async def resume(self) -> None:
        self._note("resume")

    async def handover(self, session: SessionName, host: HostName | None) -> HostName:
        self._note("handover", session, host)
        return ALICE

    async def stop(self, name: SessionName) -> None:
        self._note("stop", name)

    async def doctor(self) -> tuple[Finding, ...]:
        self._note("doctor")
        return (FINDING,)

    async def invite(self, session: SessionName | None, role: Role) -> str:
        self._note("invite", session, role)
        return LINK

    async def remove(self, session: SessionName, name: str) -> Stamp:
        self._note("remove", session, name)
        return STAMP

    async def join(self, link: str) -> StampedSpec:
        self._note("join", link)
        return STAMPED


class Peer:
    """Answers agents.

    Attributes:
        asked: Every call with its arguments, oldest first.
        raises: What the next calls end with instead of an answer.
        stuck: While True, `tell` does not answer.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.raises: SessiondError | None = None
        self.stuck = False

    def _note(self, *call: object) -> None:
        self.asked.append(call)
        if self.raises:
            raise self.raises

    async def hello(self, request: HelloRequest) -> HelloReply:
        self._note("hello", request)
        return HelloReply(sighting=SIGHTING, facts=FACTS)

    async def tell(self, envelope: PeerEnvelope) -> PeerEnvelope:
        self._note("tell", envelope)
        if self.stuck:
            await asyncio.Event().wait()
        return envelope

    async def consider(self, request: ConsiderRequest) -> None:
        self._note("consider", request)

    async def give_secrets(
        self, session: SessionName, secrets: Secrets, giver: HostId
    ) -> None:
        self._note("give_secrets", session, secrets, giver)

    async def report(self, session: SessionName) -> HostStatus:
        self._note("report", session)
        return HOST_STATUS

    async def mute(self, session: SessionName, *, muted: bool) -> None:
        self._note("mute", session, muted)

    async def admit(self, request: AdmitRequest, asked: HostId) -> StampedSpec:
        self._note("admit", request, asked)
        return STAMPED
