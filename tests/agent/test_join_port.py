"""The join port: open with need, and what is told when it can't be."""

import socket

import pytest

from sessiond.core.joining import join_address
from sessiond.core.roles import Role
from sessiond.core.stamped import Secrets
from sessiond.errors import Unavailable
from sessiond.wire.address import TcpAddress, parse_address
from tests.agent.band import JAM, SOON, Agent, band, jam
from tests.core.examples import ALICE
from tests.support.eventually import aeventually


def taken(agent: Agent) -> socket.socket:
    """Listen where the agent's join port should be."""
    address = parse_address(join_address(agent.address))
    assert isinstance(address, TcpAddress)
    return socket.create_server((address.host, address.port))


async def test_an_agent_of_a_studio_can_always_be_greeted() -> None:
    async with band() as opened:
        alice = await opened.add("alice", start=False)
        assert alice.join_port.is_open


async def test_a_busy_port_is_told_and_opened_once_it_is_free() -> None:
    async with band() as opened:
        alice = await opened.add("alice", studio=b"", seen=False)
        with taken(alice):
            await alice.service.create(jam(ALICE), Secrets())
            await aeventually(lambda: alice.leads, within=SOON)
            with pytest.raises(Unavailable, match="is busy"):
                await alice.service.invite(JAM, Role.HOST)
            assert not alice.join_port.is_open
        await aeventually(lambda: alice.join_port.is_open, within=SOON)
        assert await alice.service.invite(JAM, Role.HOST)
