"""A member that has gone bad can say what it likes: no agent falls over it."""

import asyncio
from dataclasses import fields, replace
from random import Random
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.adapters.executables import PACKAGES
from sessiond.core.election import DocumentOffer, Message
from sessiond.core.facts import HostFacts
from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.errors import SessiondError
from sessiond.units import Term
from sessiond.wire.convert import decode, encode
from sessiond.wire.peer_messages import PeerEnvelope
from tests.agent.band import JAM, Agent, band
from tests.agent.test_peering import BOBS_ID, invited
from tests.core.examples import BOB
from tests.fuzz.inputs import INPUTS
from tests.support.eventually import asteadily
from tests.wire.values import any_of

MESSAGES = st.one_of(*(any_of(kind) for kind in get_args(Message)))
SAID = any_of(HostFacts)
TOLD = 20


def twisted(random: Random, good: StampedSpec, wild: StampedSpec) -> StampedSpec:
    """Return a newer document of the session with some parts of another one."""
    spec = replace(
        good.spec,
        **{
            part.name: getattr(wild.spec, part.name)
            for part in fields(good.spec)
            if part.name != "name" and random.random() < 0.15
        },
    )
    parts = {
        part.name: getattr(wild, part.name)
        for part in fields(good)
        if part.name not in {"spec", "stamp"} and random.random() < 0.3
    }
    stamp = Stamp(Term(good.stamp.term + random.randrange(3)), random.randrange(10**6))
    return replace(good, spec=spec, stamp=stamp, **parts)


def envelope(said: HostFacts, message: Message) -> PeerEnvelope:
    return PeerEnvelope(
        sender_name=BOB,
        sender_id=BOBS_ID,
        session=JAM,
        messages=(message,),
        facts=(replace(said, name=BOB, id=BOBS_ID),),
    )


async def tell(alice: Agent, said: HostFacts, message: Message) -> bool:
    """Tell it as the network would; False for what is refused."""
    try:
        sent = decode(PeerEnvelope, encode(envelope(said, message)))
        await alice.peering.tell(sent)
    except SessiondError:
        return False
    except Exception as e:
        e.add_note(f"told {message} by {said}")
        raise
    return True


async def listen_to(told: list[tuple[HostFacts, Message]], random: Random) -> None:
    async with band() as opened:
        alice = await invited(opened)
        for said, message in told:
            if isinstance(message, DocumentOffer):
                wild = twisted(random, alice.document, message.document)
                message = replace(message, document=wild)  # noqa: PLW2901
            await tell(alice, said, message)
        # An error in one of its own tasks ends the band.
        await asteadily(lambda: True, during=0.2)
        alice.publisher.own()
        for process in alice.procs.machine.processes.values():
            assert process.argv[0] in {*PACKAGES, alice.host.setup.python}


@pytest.mark.timeout(3600)
@settings(
    max_examples=max(2, INPUTS // 1000),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    told=st.lists(st.tuples(SAID, MESSAGES), min_size=TOLD, max_size=TOLD),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_member_can_bring_an_agent_down(
    told: list[tuple[HostFacts, Message]], seed: int
) -> None:
    asyncio.run(listen_to(told, Random(seed)))  # noqa: S311  nothing secret
