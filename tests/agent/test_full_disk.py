"""A full or read-only disk: nothing is half done, the music goes on, and it mends."""

from dataclasses import replace

import pytest

from agent.membership import ELECTION
from agent.records import SECRETS, make_good
from sessiond.core.conditions import Reason
from sessiond.core.stamped import Secrets
from sessiond.errors import Unavailable
from sessiond.units import MountPath, ProcName, SessionName
from tests.agent.band import SOON, Agent, Band, band, jam, show
from tests.core.examples import ALICE, BOB, mount
from tests.support.eventually import aeventually

ANOTHER = replace(jam(BOB), name=SessionName("another"))
LOUDER = show(mounts=(replace(mount(), genre="louder"),))


def reasons(agent: Agent) -> set[Reason]:
    return {condition.reason for condition in agent.host.conditions}


async def duo(opened: Band) -> tuple[Agent, Agent]:
    """Return leader and follower of a session with a mount."""
    alice, bob = await opened.add("alice"), await opened.add("bob")
    leader = await opened.formed(show(), alice, bob)
    follower = bob if leader is alice else alice
    await aeventually(lambda: follower.host.secrets_of != "", within=SOON)
    return leader, follower


@pytest.mark.parametrize("document", [ELECTION, SECRETS])
async def test_what_can_not_be_stored_is_not_created_and_its_host_stays_free(
    document: str,
) -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        alice.store.no_room_for = frozenset({document})
        with pytest.raises(Unavailable, match="can't be stored"):
            await alice.service.create(jam(ALICE), Secrets())
        assert alice.sessions.current() is None
        assert alice.host.secrets_of == ""
        assert not alice.host.sighting().session
        alice.store.no_room_for = frozenset()
        await alice.service.create(jam(ALICE), Secrets())
        await aeventually(alice.is_settled, within=SOON)


async def test_who_can_not_store_an_invitation_is_free_for_another() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        bob.store.no_room_for = frozenset({ELECTION})
        await alice.service.create(jam(), Secrets())
        await aeventually(lambda: bob.sessions.current() is not None, within=SOON)
        assert bob.host.document is None
        await aeventually(lambda: Reason.STATE_NOT_STORED in reasons(bob), within=SOON)
        await opened.end(alice)
        bob.store.no_room_for = frozenset()
        await bob.service.create(ANOTHER, Secrets())
        assert bob.document.spec.name == ANOTHER.name


async def test_an_invitation_that_could_not_be_stored_is_taken_once_there_is_room() -> (
    None
):
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        bob.store.no_room_for = frozenset({ELECTION})
        await alice.service.create(jam(), Secrets())
        await aeventually(lambda: bob.sessions.current() is not None, within=SOON)
        bob.store.no_room_for = frozenset()
        await aeventually(bob.is_settled, within=SOON)


async def test_a_change_that_can_not_be_stored_changes_nothing() -> None:
    async with band() as opened:
        leader, _ = await duo(opened)
        before, passwords = leader.document, leader.host.secrets
        for lacking in (frozenset({ELECTION}), frozenset({SECRETS})):
            leader.store.no_room_for = lacking
            with pytest.raises(Unavailable, match="can't be stored"):
                await leader.service.apply(LOUDER, Secrets(source="another"), None)
            assert leader.document.spec == before.spec
            assert leader.host.secrets == passwords
        leader.store.no_room_for = frozenset()
        stamped = await leader.service.apply(LOUDER, Secrets(), None)
        assert stamped.spec.mounts == LOUDER.mounts


async def test_a_full_disk_ends_no_child_and_is_made_good_with_all_that_lives() -> None:
    async with band() as opened:
        leader, other = await duo(opened)
        link = ProcName(f"link-{other.host.name}")
        leader.store.full = True
        leader.procs.end(link, 1)
        await aeventually(
            lambda: Reason.STATE_NOT_STORED in reasons(leader), within=SOON
        )
        await aeventually(
            lambda: leader.jack.wires == leader.host.plan.wires, within=SOON
        )
        leader.store.full = False
        make_good(leader.host)
        leader.bell()
        await aeventually(
            lambda: Reason.STATE_NOT_STORED not in reasons(leader), within=SOON
        )
        back = await opened.restart(leader)
        assert link in back.host.lifecycles, "the next agent adopts what lives now"


async def test_a_disk_with_a_reserve_has_every_child_adopted_though_it_is_full() -> (
    None
):
    async with band() as opened:
        leader, other = await duo(opened)
        link = ProcName(f"link-{other.host.name}")
        leader.store.nearly_full = True
        leader.procs.end(link, 1)
        await aeventually(
            lambda: leader.host.restarts.get(link) == 1 and leader.is_settled(),
            within=SOON,
        )
        pid = leader.procs.seen()[link].identity.pid
        back = await opened.restart(leader)
        assert back.procs.seen()[link].identity.pid == pid


async def test_a_host_leaves_though_its_disk_is_full() -> None:
    async with band() as opened:
        leader, follower = await duo(opened)
        follower.store.full = True
        await follower.service.leave()
        assert follower.sessions.current() is None
        assert follower.store.load(ELECTION) is None
        assert follower.store.load(SECRETS) is None
        await aeventually(
            lambda: leader.document.spec.host_names == (leader.host.name,),
            within=SOON,
        )


async def test_a_host_whose_disk_is_read_only_stays_as_it_is() -> None:
    async with band() as opened:
        _, follower = await duo(opened)
        follower.store.read_only = True
        with pytest.raises(Unavailable, match="Read-only"):
            await follower.sessions.depart()
        assert follower.sessions.current() is not None
        assert follower.host.secrets_of
        assert MountPath("/mix.ogg") in {m.path for m in follower.document.spec.mounts}
