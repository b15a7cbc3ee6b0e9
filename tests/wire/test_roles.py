"""Who may call what, over real connections: every method, as everybody.

Nothing here stands in for anything: real TLS over loopback, and Unix sockets.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import grpc
import pytest

from sessiond.core.roles import ALLOWED, Role
from sessiond.core.stamped import Secrets
from sessiond.errors import Refused, Unavailable
from sessiond.units import Decibels, MountPath, Seconds
from sessiond.wire import methods, peer_methods
from sessiond.wire.address import parse_address
from sessiond.wire.channel import open_channel
from sessiond.wire.client import AgentClient
from sessiond.wire.codes import DETAIL_KEY
from sessiond.wire.convert import encode
from sessiond.wire.identity import Identity, make_identity
from sessiond.wire.messages import (
    ApplyRequest,
    CreateRequest,
    Done,
    GainRequest,
    HandoverRequest,
    HostsRequest,
    InviteRequest,
    JoinLinkRequest,
    MuteRequest,
    RemoveRequest,
    SessionRequest,
    StopRequest,
)
from sessiond.wire.methods import Method
from sessiond.wire.peer_client import PeerClient
from sessiond.wire.peer_messages import (
    ConsiderRequest,
    GiveSecretsRequest,
    HelloRequest,
    PeerEnvelope,
    PeerMuteRequest,
    ReportRequest,
)
from sessiond.wire.server import Server, open_server
from tests.support.eventually import aeventually
from tests.support.frames import GREETING, dial, is_open
from tests.support.identities import ListedTrust, identity_of, trusting
from tests.wire.answerers import (
    ALICE,
    ID,
    JAM,
    LINK,
    SERVER,
    SPEC,
    STATUS,
    Agent,
    Peer,
    channel_to,
    peer_line,
    people_line,
    trust,
)

WITHIN: Final = Seconds(5.0)
ENVELOPE: Final = PeerEnvelope(sender_name=ALICE, sender_id=ID)
MIX: Final = MountPath("/mix.ogg")

# One of each, as its method takes it; SetMute is in both services.
REQUESTS: Final[dict[str, Any]] = {
    "AgentService/Hosts": HostsRequest(),
    "AgentService/Create": CreateRequest(spec=SPEC, secrets=Secrets()),
    "AgentService/Apply": ApplyRequest(spec=SPEC, secrets=Secrets()),
    "AgentService/GetSpec": SessionRequest(),
    "AgentService/Status": SessionRequest(),
    "AgentService/Watch": SessionRequest(),
    "AgentService/SetGain": GainRequest(
        session=JAM, mount=MIX, host=ALICE, gain_db=Decibels(-6.0)
    ),
    "AgentService/SetMute": MuteRequest(muted=True),
    "AgentService/Leave": Done(),
    "AgentService/Resume": Done(),
    "AgentService/Handover": HandoverRequest(session=JAM),
    "AgentService/Stop": StopRequest(name=JAM),
    "AgentService/Doctor": Done(),
    "AgentService/Invite": InviteRequest(role=Role.HOST),
    "AgentService/Remove": RemoveRequest(session=JAM, name="bob"),
    "AgentService/Join": JoinLinkRequest(link=LINK),
    "PeerService/Hello": HelloRequest(),
    "PeerService/Tell": ENVELOPE,
    "PeerService/Consider": ConsiderRequest(session=JAM, host=ALICE),
    "PeerService/GiveSecrets": GiveSecretsRequest(session=JAM, secrets=Secrets()),
    "PeerService/Report": ReportRequest(session=JAM),
    "PeerService/SetMute": PeerMuteRequest(session=JAM, muted=True),
    "Health/Check": b"",
    "Health/Watch": b"",
}

# Who connects, in which role: over TCP all but the first. Carl got through the
# handshake, and was removed after it.
CALLERS: Final[dict[str, Role | None]] = {
    "local": Role.LOCAL,
    "alice": Role.HOST,
    "olga": Role.OPERATOR,
    "vera": Role.VIEWER,
    "carl": None,
}


def all_of(module: ModuleType) -> set[str]:
    return {each.path for each in vars(module).values() if isinstance(each, Method)}


SERVED: Final = all_of(methods) | all_of(peer_methods)


def request_of(path: str) -> bytes:
    request = REQUESTS[path.removeprefix("/").rpartition("v1.")[2]]
    return request if isinstance(request, bytes) else encode(request)


@dataclass(slots=True)
class Site:
    """A server, who answers there, and whom it trusts."""

    server: Server
    agent: Agent
    peer: Peer
    trust: ListedTrust

    @property
    def asked(self) -> int:
        return len(self.agent.asked) + len(self.peer.asked)

    def distrust(self, name: str) -> None:
        self.trust.remove(identity_of(name))
        self.server.trust_changed()


@asynccontextmanager
async def a_site(folder: Path, trust: ListedTrust) -> AsyncIterator[Site]:
    agent, peer = Agent(), Peer()
    server = await open_server(
        ["127.0.0.1:0", f"unix:{folder}/agent.sock"],
        identity=SERVER,
        trust=trust,
        agent=agent,
        membership=agent,
        peer=peer,
        on_fault=lambda *_: None,
    )
    try:
        yield Site(server, agent, peer, trust)
    finally:
        await server.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(tmp_path, trust()) as site:
        yield site


async def outcome(channel: grpc.aio.Channel, path: str) -> tuple[str, bool]:
    """Call a method; return the code, and whether an error of ours came with it."""
    try:
        if path.endswith("/Watch"):
            values = channel.unary_stream(path, bytes, bytes)(request_of(path))
            async for _ in values:
                values.cancel()
                break
        else:
            call = channel.unary_unary(path, bytes, bytes)
            await call(request_of(path), timeout=5)
    except grpc.aio.AioRpcError as e:
        pairs: Any = e.trailing_metadata() or ()
        return e.code().name, DETAIL_KEY in dict(pairs)
    return "OK", False


@pytest.mark.parametrize("path", sorted({*ALLOWED, *SERVED}))
@pytest.mark.parametrize("who", CALLERS)
async def test_every_method_answers_whom_it_is_for_and_nobody_else(
    site: Site, path: str, who: str
) -> None:
    role = CALLERS[who]
    if who == "local":
        channel = open_channel(parse_address(site.server.addresses[1]))
    else:
        site.trust.add(identity_of(who), role or Role.HOST)
        channel = channel_to(site.server.addresses[0], who)
        assert await outcome(channel, "/grpc.health.v1.Health/Check") == ("OK", False)
        if role is None:
            site.distrust(who)
    code, ours = await outcome(channel, path)
    health = path.startswith("/grpc.health")
    if role in ALLOWED.get(path, ()) or health:
        assert code == "OK"
        assert health or site.asked == 1
    else:
        assert code == ("PERMISSION_DENIED" if role else "UNAUTHENTICATED")
        assert ours, "with a sentence and a hint"
        assert site.asked == 0
    await channel.close(None)


def test_the_table_and_the_services_name_the_same_methods() -> None:
    health = {f"/grpc.health.v1.Health/{name}" for name in ("Check", "Watch")}
    assert ALLOWED.keys() == SERVED | health


async def test_what_is_no_method_is_nobodys(site: Site) -> None:
    channel = channel_to(site.server.addresses[0])
    for path in ("/sessiond.v1.AgentService/Spawn", "/sessiond.v1.JoinService/Greet"):
        call = channel.unary_unary(path, bytes, bytes)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await channel.close(None)


async def test_nothing_is_read_before_the_check(site: Site) -> None:
    channel = channel_to(site.server.addresses[0], "vera")
    call = channel.unary_unary(methods.CREATE.path, bytes, bytes)
    with pytest.raises(grpc.aio.AioRpcError, match="is not for the role viewer"):
        await call(b"\xff\xff\xff", timeout=5)
    await channel.close(None)


async def test_who_is_turned_away_is_told_what_to_do(site: Site) -> None:
    async with people_line(site.server.addresses[0], "vera") as vera:
        with pytest.raises(Refused, match="Stop is not for the role viewer") as caught:
            await vera.stop(JAM)
        assert "invitation" in caught.value.hint
        assert await vera.status(None) == STATUS
        site.distrust("vera")
        with pytest.raises(Refused, match="does not know who calls") as caught:
            await vera.status(None)
        assert "sessiond invite" in caught.value.hint


async def test_a_changed_role_holds_from_the_next_call_on(site: Site) -> None:
    async with people_line(site.server.addresses[0], "vera") as vera:
        site.trust.add(identity_of("vera"), Role.OPERATOR)
        await vera.stop(JAM)


async def test_methods_about_who_belongs_are_served_only_where_somebody_answers(
    tmp_path: Path,
) -> None:
    where = f"unix:{tmp_path}/a.sock"
    server = await open_server(
        [where],
        identity=SERVER,
        trust=trusting(),
        agent=Agent(),
        on_fault=lambda *_: None,
    )
    async with AgentClient(where) as people:
        with pytest.raises(Exception, match="does not know how to invite somebody"):
            await people.invite(None, Role.HOST)
    await server.close()


# ── an agent speaks for itself ──────────────────────────────────────────────────────


async def test_no_agent_speaks_in_anothers_name(site: Site) -> None:
    site.trust.add(identity_of("bob"), Role.HOST)
    bob = peer_line(site.server.addresses[0], "bob")
    with pytest.raises(Refused, match="another one than its certificate shows"):
        await bob.tell(ENVELOPE, within=WITHIN)
    assert not site.peer.asked
    own = PeerEnvelope(sender_name=ALICE, sender_id=identity_of("bob").id)
    assert await bob.tell(own, within=WITHIN) == own
    await bob.close()


# ── streams ─────────────────────────────────────────────────────────────────────────


async def test_who_is_removed_while_watching_sees_no_more(site: Site) -> None:
    async with (
        people_line(site.server.addresses[0], "vera") as vera,
        aclosing(vera.watch(JAM)) as pictures,
    ):
        assert [await anext(pictures), await anext(pictures)] == [STATUS, STATUS]
        # Now the agent has nothing to show, and the stream waits.
        async with asyncio.TaskGroup() as group:
            third = group.create_task(anext_or_error(pictures))
            await aeventually(lambda: site.agent.watching == 1, within=5)
            site.distrust("vera")
            error = await third
    assert isinstance(error, Refused)
    assert "does not know who calls" in error.sentence
    await aeventually(lambda: site.agent.watching == 0, within=5)


async def anext_or_error(pictures: AsyncIterator[object]) -> object:
    try:
        return await anext(pictures)
    except Refused as e:
        return e


async def test_who_stays_watches_on_when_another_is_removed(site: Site) -> None:
    async with (
        people_line(site.server.addresses[0], "vera") as vera,
        people_line(site.server.addresses[0], "olga") as olga,
        AgentClient(site.server.addresses[1]) as local,
    ):
        watches = [each.watch(JAM) for each in (vera, olga, local)]
        for pictures in watches:
            assert [await anext(pictures), await anext(pictures)] == [STATUS, STATUS]
        site.distrust("vera")
        await aeventually(lambda: site.agent.watching == 2, within=5)
        site.server.trust_changed()
        assert site.agent.watching == 2
        for pictures in watches[1:]:
            await pictures.aclose()
        with pytest.raises(Refused):
            await anext(watches[0])


async def test_a_viewer_made_a_host_watches_no_more(site: Site) -> None:
    async with people_line(site.server.addresses[0], "vera") as vera:
        pictures = vera.watch(JAM)
        assert [await anext(pictures), await anext(pictures)] == [STATUS, STATUS]
        site.trust.add(identity_of("vera"), Role.HOST)
        site.server.trust_changed()
        with pytest.raises(Refused, match="Watch is not for the role host"):
            await anext(pictures)


# ── handshakes ──────────────────────────────────────────────────────────────────────


def a_line(
    site: Site,
    who: Identity | None,
    pinned: Identity = SERVER,
) -> PeerClient:
    where = site.server.addresses[0]
    return PeerClient(where, pinned=pinned.certificate, identity=who)


@pytest.mark.parametrize("who", [None, identity_of("mallory")])
async def test_who_is_not_listed_gets_through_no_handshake(
    site: Site, who: Identity | None
) -> None:
    line = a_line(site, who)
    with pytest.raises(Unavailable, match="does not accept this computer's") as caught:
        await line.report(JAM, within=WITHIN)
    assert "Join with a new link" in caught.value.hint
    await line.close()
    assert site.asked == 0


async def test_who_has_been_removed_gets_through_no_handshake(site: Site) -> None:
    line = a_line(site, identity_of("alice"))
    await line.report(JAM, within=WITHIN)
    site.distrust("alice")
    await line.renew()
    with pytest.raises(Unavailable, match="does not accept this computer's"):
        await line.report(JAM, within=WITHIN)
    await line.close()


async def test_who_is_listed_later_gets_through_from_then_on(site: Site) -> None:
    line = a_line(site, identity_of("bob"))
    with pytest.raises(Unavailable):
        await line.report(JAM, within=WITHIN)
    site.trust.add(identity_of("bob"), Role.HOST)
    await line.renew()
    await line.report(JAM, within=WITHIN)
    await line.close()


async def test_whoever_trusts_nobody_lets_nobody_in(tmp_path: Path) -> None:
    async with a_site(tmp_path, trusting()) as site:
        line = a_line(site, identity_of("alice"))
        with pytest.raises(Unavailable, match="does not accept this computer's"):
            await line.report(JAM, within=WITHIN)
        await line.close()
        # Itself it lets through the handshake, and no further.
        line = a_line(site, SERVER)
        with pytest.raises(Refused, match="does not know who calls"):
            await line.report(JAM, within=WITHIN)
        await line.close()


async def test_many_of_one_name_get_in_each_as_itself(site: Site) -> None:
    twins = [make_identity("alice") for _ in range(3)]
    for twin in twins:
        site.trust.add(twin, Role.HOST)
    for twin in twins:
        line = a_line(site, twin)
        own = PeerEnvelope(sender_name=ALICE, sender_id=twin.id)
        assert await line.tell(own, within=WITHIN) == own
        await line.close()


async def test_two_ports_of_one_server_trust_the_same(tmp_path: Path) -> None:
    listed = trusting()
    server = await open_server(
        ["127.0.0.1:0", "[::1]:0"],
        identity=SERVER,
        trust=listed,
        peer=Peer(),
        on_fault=lambda *_: None,
    )
    lines = [peer_line(where) for where in server.addresses]
    for line in lines:
        with pytest.raises(Unavailable):
            await line.report(JAM, within=WITHIN)
    listed.add(identity_of("alice"), Role.HOST)
    for line in lines:
        await line.renew()
        await line.report(JAM, within=WITHIN)
        await line.close()
    await server.close()


async def test_who_answers_with_another_certificate_is_not_spoken_to(
    site: Site,
) -> None:
    for pinned in (identity_of("alice"), make_identity("server")):
        line = a_line(site, identity_of("alice"), pinned)
        with pytest.raises(Unavailable, match="shows another certificate than"):
            await line.report(JAM, within=WITHIN)
        await line.close()
    assert site.asked == 0


async def test_nobody_is_called_over_tcp_without_knowing_whom() -> None:
    with pytest.raises(Refused, match=r"Nothing is known of who should answer"):
        PeerClient("127.0.0.1:7700")


async def test_what_speaks_no_tls_is_named() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as other:
        host, port = other.sockets[0].getsockname()
        line = peer_line(f"{host}:{port}")
        with pytest.raises(Unavailable, match="is no sessiond-agent's port"):
            await line.report(JAM, within=WITHIN)
        await line.close()


HTTP: Final = b"GET / HTTP/1.1\r\nHost: radio\r\n\r\n"


@pytest.mark.parametrize("first", [HTTP, GREETING, b"\x16\x03\x01" + b"\xff" * 300])
async def test_who_speaks_no_tls_is_hung_up_on_at_once(
    site: Site, first: bytes
) -> None:
    with dial(site.server.addresses[0], first) as line:
        await aeventually(lambda: not is_open(line), within=4)
    other = peer_line(site.server.addresses[0])
    await other.report(JAM, within=WITHIN)
    await other.close()


async def test_grpc_in_plain_text_is_not_answered(site: Site) -> None:
    async with grpc.aio.insecure_channel(site.server.addresses[0]) as plain:
        for path in (methods.STATUS.path, "/grpc.health.v1.Health/Check"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await plain.unary_unary(path, bytes, bytes)(b"", timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert site.asked == 0
