"""A server with everybody who can answer, for callers of every kind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sessiond.wire.server import Server, open_server
from tests.support.identities import ListedTrust, identity_of
from tests.wire.answerers import SERVER, Agent, Peer


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
