"""Who gets through a handshake, and whom one speaks to: real TLS over loopback."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import run
from typing import Final

import grpc
import pytest

from sessiond.core.roles import ALLOWED, Role
from sessiond.errors import Refused, Unavailable
from sessiond.units import Certificate, HostId, Seconds
from sessiond.wire import methods
from sessiond.wire.address import parse_address
from sessiond.wire.channel import Line, open_channel
from sessiond.wire.identity import Identity, make_identity
from sessiond.wire.peer_client import PeerClient
from sessiond.wire.peer_messages import (
    PeerEnvelope,
)
from sessiond.wire.server import open_server
from tests.support.eventually import aeventually
from tests.support.frames import GREETING, dial, is_open
from tests.support.identities import identity_of, trusting
from tests.wire.answerers import (
    ALICE,
    JAM,
    SERVER,
    Peer,
    peer_line,
    trust,
)
from tests.wire.site import Site, a_site
from tests.wire.test_roles import outcome

WITHIN: Final = Seconds(5.0)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(tmp_path, trust()) as site:
        yield site


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


async def test_nobody_who_belongs_can_let_others_in(site: Site, tmp_path: Path) -> None:
    vera = identity_of("vera")
    (tmp_path / "vera").write_text(vera.key + vera.certificate)
    await asyncio.to_thread(_sign, tmp_path)
    chain = (tmp_path / "crt").read_text() + vera.certificate
    friend = Identity(
        id=vera.id, certificate=Certificate(chain), key=(tmp_path / "key").read_text()
    )
    channel = open_channel(
        parse_address(site.server.addresses[0]),
        pinned=SERVER.certificate,
        identity=friend,
    )
    for path in ALLOWED:
        assert await outcome(channel, path) == ("UNAUTHENTICATED", True)
    await channel.close(None)
    assert site.asked == 0


def _sign(folder: Path) -> None:
    """Make a certificate that is issued by the key in the file ``vera``."""
    new = ("req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt")
    request = ("ec_paramgen_curve:P-256", "-keyout", "key", "-out", "csr")
    signed = ("x509", "-req", "-in", "csr", "-CA", "vera", "-CAkey", "vera")
    for command in (
        ("openssl", *new, *request, "-subj", "/CN=friend"),
        ("openssl", *signed, "-set_serial", "7", "-out", "crt"),
    ):
        run(command, cwd=folder, check=True, capture_output=True)


async def test_many_of_one_name_get_in_each_as_itself(site: Site) -> None:
    twins = [make_identity("alice") for _ in range(3)]
    for twin in twins:
        site.trust.add(twin, Role.HOST)
    for twin in twins:
        line = a_line(site, twin)
        own = PeerEnvelope(sender_name=ALICE, sender_id=twin.id)
        assert await line.tell(own, within=WITHIN) == own
        await line.close()


async def test_what_is_no_certificate_keeps_nobody_else_out(site: Site) -> None:
    for n, text in enumerate(("", "nothing", SERVER.key, SERVER.certificate * 2)):
        site.trust.listed[HostId(f"{n:032x}")] = Certificate(text), Role.HOST
    site.trust.add(identity_of("bob"), Role.HOST)
    for who in ("alice", "bob"):
        line = a_line(site, identity_of(who))
        await line.report(JAM, within=WITHIN)
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
        Line("127.0.0.1:7700")


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
