"""What is decoded is answered: no request, whatever it says, is more than refused.

Bytes are `test_messages`'; here the agent is a real one, and its own `Admission`,
`Peering` and `Service` are asked what could be decoded, as who may ask it.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from random import Random
from types import MappingProxyType
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agent.adapters.executables import PACKAGES
from sessiond.core.proofs import Purpose, proof
from sessiond.errors import SessiondError
from sessiond.units import Seconds
from sessiond.wire import join_methods, methods, peer_methods
from sessiond.wire.convert import decode, encode
from sessiond.wire.identity import der_of
from sessiond.wire.join_messages import GreetRequest
from tests.agent.band import JAM, STUDIO, Agent, band
from tests.agent.test_peering import BOBS, BOBS_ID, invited
from tests.core.examples import ALICE, BOB
from tests.fuzz.inputs import INPUTS
from tests.fuzz.inputs import methods as all_methods
from tests.support.identities import identity_of
from tests.wire.values import any_of

Asked = Any
"""A request of any method."""

ASKED: Final = 20
FROM: Final = "192.0.2.7"
# Longer than what an agent does by itself; waiting for a host takes ten times as long.
PATIENCE: Final = Seconds(0.1)


async def watched(agent: Agent, request: Asked) -> None:
    async for _ in agent.service.watch(request.name):
        break


def answers(agent: Agent) -> Mapping[str, Callable[[Asked], Awaitable[object]]]:
    """Return who answers each method of every service."""
    door, peer, people = agent.admission, agent.peering, agent.service
    return MappingProxyType(
        {
            join_methods.GREET.path: lambda q: door.greet(q, FROM),
            join_methods.ACQUAINT.path: lambda q: door.acquaint(q, FROM),
            join_methods.JOIN.path: lambda q: door.join(q, FROM),
            peer_methods.HELLO.path: peer.hello,
            peer_methods.TELL.path: peer.tell,
            peer_methods.CONSIDER.path: peer.consider,
            peer_methods.GIVE_SECRETS.path: lambda q: peer.give_secrets(
                q.session, q.secrets, BOBS_ID
            ),
            peer_methods.REPORT.path: lambda q: peer.report(q.session),
            peer_methods.PEER_MUTE.path: lambda q: peer.mute(q.session, muted=q.muted),
            peer_methods.ADMIT.path: lambda q: peer.admit(q, BOBS_ID),
            methods.HOSTS.path: lambda q: people.hosts(q.wait),
            methods.CREATE.path: lambda q: people.create(q.spec, q.secrets),
            methods.APPLY.path: lambda q: people.apply(q.spec, q.secrets, q.based_on),
            methods.GET_SPEC.path: lambda q: people.spec(q.name),
            methods.STATUS.path: lambda q: people.status(q.name),
            methods.WATCH.path: lambda q: watched(agent, q),
            methods.SET_GAIN.path: lambda q: people.gain(
                q.session, q.mount, q.host, q.gain_db
            ),
            methods.SET_TITLE.path: lambda q: people.title(q.session, q.mount, q.title),
            methods.SET_MUTE.path: lambda q: people.mute(q.host, muted=q.muted),
            methods.LEAVE.path: lambda _: people.leave(),
            methods.RESUME.path: lambda _: people.resume(),
            methods.HANDOVER.path: lambda q: people.handover(q.session, q.host),
            methods.STOP.path: lambda q: people.stop(q.name),
            methods.DOCTOR.path: lambda _: people.doctor(),
            methods.INVITE.path: lambda q: people.invite(q.session, q.role),
            methods.REMOVE.path: lambda q: people.remove(q.session, q.name),
            methods.JOIN.path: lambda q: people.join(q.link),
        }
    )


# What looks at the real machine, of which fakes know nothing, or ends the session.
UNASKED: Final = frozenset({methods.DOCTOR.path})
ENDING: Final = frozenset({methods.LEAVE.path, methods.STOP.path})
REQUESTS: Final = {
    path: method.request
    for path, method in sorted(all_methods().items())
    if path not in UNASKED
}
CALLS: Final = st.one_of(
    *(st.tuples(st.just(path), any_of(cls)) for path, cls in REQUESTS.items())
)

KNOWN: Final[Mapping[str, tuple[object, ...]]] = MappingProxyType(
    {
        "session": (JAM,),
        "host": (ALICE, BOB),
        "sender_id": (BOBS_ID,),
        "sender_name": (BOB,),
        "receiver_id": (None,),
        "certificate": (BOBS.certificate, identity_of("carol").certificate),
    }
)


async def aimed(agent: Agent, request: Asked, random: Random) -> Asked:
    """Return a request with some of what a caller may know in place of noise."""
    names = {part.name for part in fields(request)}
    known = {
        name: random.choice(choices)
        for name, choices in KNOWN.items()
        if name in names and random.random() < 0.8
    }
    request = replace(request, **known)
    if {"nonce", "proof"} <= names and random.random() < 0.8:
        greeting = GreetRequest(nonce=secrets.token_bytes(16))
        nonce = (await agent.admission.greet(greeting, FROM)).nonce
        request = replace(request, nonce=nonce)
        if hasattr(request, "certificate"):
            request = replace(request, proof=proven(agent, request))
    return request


def proven(agent: Agent, request: Asked) -> bytes:
    """Return the proof that one of the studio makes over what it shows."""
    mine = der_of(agent.host.identity.certificate)
    with suppress(SessiondError):
        theirs = der_of(request.certificate)
        return proof(STUDIO, Purpose.ACQUAINT, mine, theirs, request.nonce)
    return b""


async def ask(agent: Agent, path: str, request: Asked) -> None:
    """Ask as the network would; what is refused or takes too long is done with."""
    answer = answers(agent)[path]
    try:
        asked = decode(type(request), encode(request))
        async with asyncio.timeout(PATIENCE):
            await answer(asked)
    except (SessiondError, TimeoutError):
        pass
    except Exception as e:
        e.add_note(f"{path} asked {request}")
        raise


async def ask_all(calls: list[tuple[str, Asked]], random: Random) -> None:
    # What ends the session comes last, or the rest would meet an agent of none.
    calls = sorted(calls, key=lambda call: call[0] in ENDING)
    async with band() as opened:
        alice = await invited(opened)
        for path, request in calls:
            await ask(alice, path, await aimed(alice, request, random))
        alice.publisher.own()
        for process in alice.procs.machine.processes.values():
            assert process.argv[0] in {*PACKAGES, alice.host.setup.python}


def test_every_method_is_answered_here() -> None:
    assert REQUESTS.keys() | UNASKED == all_methods().keys()


@pytest.mark.timeout(3600)
@settings(
    max_examples=max(2, INPUTS // 400),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # A whole agent for each try: the note names the request, which is small enough.
    phases=(Phase.generate,),
)
@given(
    calls=st.lists(CALLS, min_size=ASKED, max_size=ASKED),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_request_does_more_than_be_refused(
    calls: list[tuple[str, Asked]], seed: int
) -> None:
    asyncio.run(ask_all(calls, Random(seed)))  # noqa: S311  nothing secret
