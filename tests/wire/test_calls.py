"""Calls from either client to a server that listens for real."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from sessiond.core.roles import Role
from sessiond.core.stamped import Secrets
from sessiond.errors import Broken, Refused, SessiondError, Unavailable
from sessiond.units import Decibels, MountPath, Seconds
from sessiond.wire.channel import LARGEST_MESSAGE
from sessiond.wire.client import AgentClient
from sessiond.wire.peer_client import PeerClient
from sessiond.wire.peer_messages import (
    ConsiderRequest,
    HelloReply,
    HelloRequest,
    PeerEnvelope,
)
from sessiond.wire.server import Server, open_server
from tests.support.eventually import aeventually
from tests.wire.answerers import (
    ALICE,
    FACTS,
    FINDING,
    HOST_STATUS,
    ID,
    JAM,
    LINK,
    SERVER,
    SIGHTING,
    SPEC,
    STAMP,
    STAMPED,
    STATUS,
    Agent,
    Peer,
    peer_line,
    people_line,
    trust,
)

T = TypeVar("T")

SECRETS = Secrets(source="hackme'\"\n", admin="ünïcode")
MIX = MountPath("/mix.ogg")
ENVELOPE = PeerEnvelope(sender_name=ALICE, sender_id=ID)
WITHIN = Seconds(5.0)


@dataclass(slots=True)
class Station:
    """A server with both APIs, and a client of each."""

    server: Server
    agent: Agent
    peer: Peer
    people: AgentClient
    other: PeerClient
    faults: list[tuple[str, str]] = field(default_factory=list)


@asynccontextmanager
async def a_server(
    *listen: str, agent: Agent | None = None, peer: Peer | None = None
) -> AsyncIterator[Server]:
    server = await open_server(
        listen or ("127.0.0.1:0",),
        identity=SERVER,
        trust=trust(),
        agent=agent,
        peer=peer,
        on_fault=lambda *_: None,
    )
    try:
        yield server
    finally:
        await server.close()


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    agent, peer = Agent(), Peer()
    faults: list[tuple[str, str]] = []
    server = await open_server(
        ["127.0.0.1:0", f"unix:{tmp_path}/agent.sock"],
        identity=SERVER,
        trust=trust(),
        agent=agent,
        membership=agent,
        peer=peer,
        on_fault=lambda path, bug: faults.append((path, repr(bug))),
    )
    other = peer_line(server.addresses[0])
    async with AgentClient(server.addresses[1]) as people:
        yield Station(server, agent, peer, people, other, faults)
    # An error that is kept keeps the frames that it went through, and gRPC in them.
    agent.raises = None
    await other.close()
    await server.close()


PeopleCall = Callable[[AgentClient], Awaitable[object]]


@pytest.mark.parametrize(
    ("call", "answer", "asked"),
    [
        (lambda c: c.hosts(Seconds(0.5)), (SIGHTING,), ("hosts", 0.5)),
        (lambda c: c.create(SPEC, SECRETS), STAMPED, ("create", SPEC, SECRETS, True)),
        (
            lambda c: c.apply(SPEC, SECRETS, STAMP),
            STAMPED,
            ("apply", SPEC, SECRETS, STAMP),
        ),
        (
            lambda c: c.apply(SPEC, Secrets(), None),
            STAMPED,
            ("apply", SPEC, Secrets(), None),
        ),
        (lambda c: c.spec(JAM), STAMPED, ("spec", JAM)),
        (lambda c: c.status(None), STATUS, ("status", None)),
        (
            lambda c: c.gain(JAM, MIX, ALICE, Decibels(-6.0)),
            STAMP,
            ("gain", JAM, MIX, ALICE, -6.0),
        ),
        (
            lambda c: c.title(JAM, MIX, "A - B"),
            STAMP,
            ("title", JAM, MIX, "A - B"),
        ),
        (lambda c: c.mute(None, muted=True), None, ("mute", None, True, True)),
        (lambda c: c.mute(ALICE, muted=False), None, ("mute", ALICE, False, True)),
        (lambda c: c.leave(), None, ("leave",)),
        (lambda c: c.resume(), None, ("resume",)),
        (lambda c: c.handover(JAM, None), ALICE, ("handover", JAM, None)),
        (lambda c: c.stop(JAM), None, ("stop", JAM)),
        (lambda c: c.doctor(), (FINDING,), ("doctor",)),
        (
            lambda c: c.invite(None, Role.VIEWER),
            LINK,
            ("invite", None, Role.VIEWER),
        ),
        (lambda c: c.remove(JAM, "bob"), STAMP, ("remove", JAM, "bob")),
        (lambda c: c.join(LINK), STAMPED, ("join", LINK)),
    ],
)
async def test_what_people_ask_arrives_and_is_answered(
    station: Station, call: PeopleCall, answer: object, asked: tuple[object, ...]
) -> None:
    assert await call(station.people) == answer
    assert station.agent.asked == [asked]


HELLO = HelloRequest(sender=SIGHTING)
CONSIDER = ConsiderRequest(session=JAM, host=ALICE, stamped=STAMPED)
PeerCall = Callable[[PeerClient], Awaitable[object]]


@pytest.mark.parametrize(
    ("call", "answer", "asked"),
    [
        (
            lambda c: c.hello(HELLO, within=WITHIN),
            HelloReply(sighting=SIGHTING, facts=FACTS),
            ("hello", HELLO),
        ),
        (lambda c: c.tell(ENVELOPE, within=WITHIN), ENVELOPE, ("tell", ENVELOPE)),
        (
            lambda c: c.consider(CONSIDER, within=WITHIN),
            None,
            ("consider", CONSIDER),
        ),
        (
            lambda c: c.give_secrets(JAM, SECRETS, within=WITHIN),
            None,
            ("give_secrets", JAM, SECRETS, ID),
        ),
        (lambda c: c.report(JAM, within=WITHIN), HOST_STATUS, ("report", JAM)),
        (
            lambda c: c.mute(JAM, muted=True, within=WITHIN),
            None,
            ("mute", JAM, True),
        ),
    ],
)
async def test_what_agents_ask_arrives_and_is_answered(
    station: Station, call: PeerCall, answer: object, asked: tuple[object, ...]
) -> None:
    assert await call(station.other) == answer
    assert station.peer.asked == [asked]


# ── watching ────────────────────────────────────────────────────────────────────────


async def test_a_watcher_sees_each_picture_and_is_forgotten_when_it_leaves(
    station: Station,
) -> None:
    pictures = station.people.watch(JAM)
    assert [await anext(pictures), await anext(pictures)] == [STATUS, STATUS]
    assert station.agent.watching == 1
    await pictures.aclose()
    await aeventually(lambda: station.agent.watching == 0, within=5)


async def test_a_watcher_that_is_cancelled_is_forgotten_too(station: Station) -> None:
    async def watch() -> None:
        async for _ in station.people.watch(JAM):
            pass

    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(watch())
        await aeventually(lambda: station.agent.watching == 1, within=5)
        watcher.cancel()
    assert watcher.cancelled()
    await aeventually(lambda: station.agent.watching == 0, within=5)


async def test_a_watcher_is_told_the_agents_error(station: Station) -> None:
    station.agent.raises = Refused("No session is called jam.", "See hosts.")
    with pytest.raises(Refused, match="No session is called jam"):
        await anext(station.people.watch(JAM))


async def test_a_watcher_is_told_when_the_agent_goes() -> None:
    agent = Agent()
    async with (
        a_server(agent=agent) as server,
        people_line(server.addresses[0]) as people,
    ):
        pictures = people.watch(JAM)
        assert await anext(pictures) == STATUS
        assert await anext(pictures) == STATUS
        await server.close(Seconds(0.0))
        with pytest.raises(Unavailable, match="go on showing the status"):
            await anext(pictures)


# ── errors ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("branch", [Refused, Unavailable, Broken])
async def test_an_error_arrives_letter_for_letter(
    station: Station, branch: type[SessiondError]
) -> None:
    station.agent.raises = branch('„dj1“ is "tåken"\n.', "line 1\nline 2\t…")
    with pytest.raises(branch) as caught:
        await station.people.leave()
    assert type(caught.value) is branch
    assert caught.value.sentence == '„dj1“ is "tåken"\n.'
    assert caught.value.hint == "line 1\nline 2\t…"
    assert not station.faults


async def test_an_endless_error_arrives_cut(station: Station) -> None:
    station.agent.raises = Refused("ü" * 100_000, "ß" * 100_000)
    with pytest.raises(Refused) as caught:
        await station.people.leave()
    assert caught.value.sentence.endswith("…")
    assert caught.value.hint.startswith("ßß")


async def test_a_bug_is_reported_and_told_as_broken(station: Station) -> None:
    station.agent.raises = KeyError("secret")
    with pytest.raises(Broken, match="bug of its own") as caught:
        await station.people.doctor()
    with pytest.raises(Broken, match="bug of its own"):
        await anext(station.people.watch(None))
    assert "secret" not in f"{caught.value} {caught.value.hint}"
    assert station.faults == [
        ("/sessiond.v1.AgentService/Doctor", "KeyError('secret')"),
        ("/sessiond.v1.AgentService/Watch", "KeyError('secret')"),
    ]


async def test_a_silent_peer_is_named_with_the_deadline(station: Station) -> None:
    station.peer.stuck = True
    with pytest.raises(Unavailable) as caught:
        await station.other.tell(ENVELOPE, within=Seconds(0.2))
    where = station.server.addresses[0]
    assert caught.value.sentence == (
        f"The agent at {where} did not answer within 0.2 s when asked to take"
        " election messages."
    )


async def test_an_absent_agent_is_named_with_the_way_out() -> None:
    async with people_line("127.0.0.1:1") as people:
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 could not be reached"):
            await people.status(None)
    async with AgentClient("unix:/nowhere/agent.sock") as people:
        with pytest.raises(Unavailable) as caught:
            await people.status(None)
    assert caught.value.hint.startswith("Start sessiond-agent")


@pytest.mark.parametrize(
    "where", ["", "radio", "radio:", "radio:x", ":7700", "::1:7700", "h:70000", "unix:"]
)
async def test_what_is_no_address_is_refused(where: str) -> None:
    with pytest.raises(Refused):
        peer_line(where)


async def test_what_answers_but_is_no_agent_is_told_apart() -> None:
    async with (
        a_server(peer=Peer()) as server,
        people_line(server.addresses[0]) as people,
    ):
        with pytest.raises(Broken, match="does not know how to show the status"):
            await people.status(None)


async def test_a_name_that_breaks_its_pattern_never_arrives(station: Station) -> None:
    bad = PeerEnvelope(sender_name="a b", sender_id=ID)  # type: ignore[arg-type]
    with pytest.raises(Refused, match="'a b'"):
        await station.other.tell(bad, within=WITHIN)
    assert not station.peer.asked


async def test_more_than_a_mebibyte_is_turned_away(station: Station) -> None:
    flood = PeerEnvelope(sender_name=ALICE, sender_id=ID, session="x" * LARGEST_MESSAGE)
    with pytest.raises(Unavailable, match="RESOURCE_EXHAUSTED"):
        await station.other.tell(flood, within=WITHIN)
    assert await station.other.tell(ENVELOPE, within=WITHIN) == ENVELOPE


async def test_a_client_outside_its_context_is_a_bug() -> None:
    with pytest.raises(TypeError, match="async with"):
        await AgentClient("127.0.0.1:1").leave()


# ── lines that come and go ──────────────────────────────────────────────────────────


async def test_a_renewed_line_drops_what_was_under_way_and_goes_on(
    station: Station,
) -> None:
    station.peer.stuck = True

    async def tell() -> None:
        with pytest.raises(Unavailable, match="was dropped"):
            await station.other.tell(ENVELOPE, within=Seconds(20.0))

    async with asyncio.TaskGroup() as group:
        group.create_task(tell())
        await aeventually(lambda: bool(station.peer.asked), within=5)
        await station.other.renew()
    station.peer.stuck = False
    assert await station.other.tell(ENVELOPE, within=WITHIN) == ENVELOPE


async def test_a_caller_that_is_cancelled_stays_cancelled(station: Station) -> None:
    station.peer.stuck = True
    async with asyncio.TaskGroup() as group:
        call = group.create_task(stuck_call(station))
        await aeventually(lambda: bool(station.peer.asked), within=5)
        call.cancel()
    assert call.cancelled()


async def stuck_call(station: Station) -> None:
    await station.other.tell(ENVELOPE, within=Seconds(20.0))


async def test_a_peer_that_restarts_is_heard_within_2_s() -> None:
    async with a_server(peer=Peer()) as first:
        where = first.addresses[0]
        other = peer_line(where)
        await other.tell(ENVELOPE, within=WITHIN)
    with pytest.raises(Unavailable):
        await other.tell(ENVELOPE, within=WITHIN)

    async def answers() -> bool:
        try:
            return await other.tell(ENVELOPE, within=Seconds(0.5)) == ENVELOPE
        except Unavailable:
            return False

    async with a_server(where, peer=Peer()):
        await aeventually(answers, within=2)
    await other.close()


async def test_two_watchers_of_one_client_share_nothing(station: Station) -> None:
    async with (
        aclosing(station.people.watch(JAM)) as one,
        aclosing(station.people.watch(None)) as two,
    ):
        assert await anext(one) == await anext(two) == STATUS
    assert set(station.agent.asked) == {("watch", None), ("watch", JAM)}
