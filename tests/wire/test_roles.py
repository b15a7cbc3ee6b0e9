"""Who may call what, over real connections: every method, as everybody.

Nothing here stands in for anything: real TLS over loopback, and Unix sockets.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import grpc
import pytest

from sessiond.core.admitting import Claim
from sessiond.core.roles import ALLOWED, Role
from sessiond.core.stamped import Secrets
from sessiond.errors import Refused, Unavailable
from sessiond.units import Decibels, HostId, MountPath, Seconds, TokenId
from sessiond.wire import methods, peer_methods
from sessiond.wire.address import parse_address
from sessiond.wire.channel import open_channel
from sessiond.wire.client import AgentClient
from sessiond.wire.codes import DETAIL_KEY
from sessiond.wire.convert import encode
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
    TitleRequest,
)
from sessiond.wire.methods import Method
from sessiond.wire.peer_messages import (
    AdmitRequest,
    ConsiderRequest,
    GiveSecretsRequest,
    HelloRequest,
    PeerEnvelope,
    PeerMuteRequest,
    ReportRequest,
)
from sessiond.wire.server import open_server
from tests.support.eventually import aeventually
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
    channel_to,
    peer_line,
    people_line,
    trust,
)
from tests.wire.site import Site, a_site

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
    "AgentService/SetTitle": TitleRequest(session=JAM, mount=MIX, title="A - B"),
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
    "PeerService/Admit": AdmitRequest(
        session=JAM,
        claim=Claim(
            role=Role.HOST,
            name="bob",
            id=identity_of("bob").id,
            certificate=identity_of("bob").certificate,
            token_id=TokenId("h" + "0" * 24),
            expires_at=0,
        ),
        nonce=b"nonce",
        proof=b"proof",
    ),
    "Health/Check": b"",
    "Health/Watch": b"",
}

# Who connects, in which role: over TCP all but the first. Carl got through the
# handshake, and was removed after it.
CALLERS: Final[dict[str, Role | None]] = {
    "local": Role.LOCAL,
    "alice": Role.HOST,
    "mate": Role.ACQUAINTANCE,
    "olga": Role.OPERATOR,
    "vera": Role.VIEWER,
    "carl": None,
}


def all_of(module: ModuleType) -> set[str]:
    return {each.path for each in vars(module).values() if isinstance(each, Method)}


SERVED: Final = all_of(methods) | all_of(peer_methods)


def request_of(path: str, who: str) -> bytes:
    request = REQUESTS[path.removeprefix("/").rpartition("v1.")[2]]
    if isinstance(request, PeerEnvelope):
        # An agent speaks for itself only.
        request = replace(request, sender_id=identity_of(who).id)
    return request if isinstance(request, bytes) else encode(request)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(tmp_path, trust()) as site:
        yield site


async def outcome(
    channel: grpc.aio.Channel, path: str, who: str = "alice"
) -> tuple[str, bool]:
    """Call a method; return the code, and whether an error of ours came with it."""
    try:
        if path.endswith("/Watch"):
            values = channel.unary_stream(path, bytes, bytes)(request_of(path, who))
            async for _ in values:
                values.cancel()
                break
        else:
            call = channel.unary_unary(path, bytes, bytes)
            await call(request_of(path, who), timeout=5)
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
    code, ours = await outcome(channel, path, who)
    if role in ALLOWED.get(path, ()):
        assert code == "OK"
        assert site.asked == (0 if path.startswith("/grpc.health") else 1)
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


async def test_an_operator_that_mutes_is_not_the_owner(site: Site) -> None:
    async with people_line(site.server.addresses[0], "olga") as olga:
        await olga.mute(None, muted=False)
    async with AgentClient(site.server.addresses[1]) as local:
        await local.mute(None, muted=False)
    said = [asked[-1] for asked in site.agent.asked]
    assert said == [False, True]


async def test_a_changed_role_holds_from_the_next_call_on(site: Site) -> None:
    async with people_line(site.server.addresses[0], "vera") as vera:
        site.trust.add(identity_of("vera"), Role.OPERATOR)
        await vera.stop(JAM)


class NotingTrust(ListedTrust):
    """Notes that somebody was asked about."""

    __slots__ = ("asked",)

    def role_of(self, caller: HostId) -> Role | None:
        self.asked = True
        return ListedTrust.role_of(self, caller)


async def test_who_is_removed_before_the_request_has_come_gets_no_answer(
    tmp_path: Path,
) -> None:
    """The head of a call and its request may be seconds apart."""
    noting = NotingTrust(trust().listed)
    async with (
        a_site(tmp_path, noting) as site,
        channel_to(site.server.addresses[0], "olga") as channel,
    ):
        method: Any = channel.stream_unary(methods.STOP.path, bytes, bytes)
        call = method()
        await aeventually(lambda: getattr(noting, "asked", False), within=5)
        site.distrust("olga")
        await call.write(request_of(methods.STOP.path, "olga"))
        await call.done_writing()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert not site.agent.asked


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


async def test_who_is_removed_and_let_in_again_is_told_to_ask_again(
    site: Site,
) -> None:
    async with people_line(site.server.addresses[0], "vera") as vera:
        pictures = vera.watch(JAM)
        assert [await anext(pictures), await anext(pictures)] == [STATUS, STATUS]
        site.distrust("vera")
        site.trust.add(identity_of("vera"), Role.VIEWER)
        with pytest.raises(Unavailable, match="may do has changed"):
            await anext(pictures)


async def test_who_watches_health_and_is_removed_is_told_so(site: Site) -> None:
    channel = channel_to(site.server.addresses[0], "vera")
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch", bytes, bytes)(b"")
    assert await watch.read()
    site.distrust("vera")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await watch.read()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    await channel.close(None)
