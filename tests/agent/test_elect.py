"""The elector's task, with two hosts in one loop and a disk that can fill."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from agent.adapters.monotonic import MonotonicClock
from agent.elect import MOST_UNDER_WAY, Elector
from sessiond.core.election import (
    AbilityChanged,
    CreateRequested,
    ElectorConfig,
    Hello,
    Message,
    Persisted,
    Presence,
    Role,
)
from sessiond.core.stamped import Stamp, StampedSpec
from sessiond.errors import Refused, Unavailable
from sessiond.units import HostName, Term
from tests.sim.documents import SESSION, document
from tests.support.eventually import aeventually

ALICE, BOB = HostName("alice"), HostName("bob")


@dataclass
class Jam:
    """Electors that reach each other by name, their disks, and what went wrong."""

    electors: dict[HostName, Elector] = field(default_factory=dict)
    disks: dict[HostName, Persisted] = field(default_factory=dict)
    full: set[HostName] = field(default_factory=set)
    away: set[HostName] = field(default_factory=set)
    conflicts: list[StampedSpec] = field(default_factory=list)
    changes: int = 0

    def add(self, name: HostName, persisted: Persisted | None = None) -> Elector:
        def persist(wanted: Persisted) -> None:
            if name in self.full:
                raise Unavailable("The disk is full.")
            self.disks[name] = wanted

        async def tell(to: HostName, message: Message) -> tuple[Message, ...]:
            if to not in self.electors or {name, to} & self.away:
                return ()
            return await self.electors[to].receive(name, message)

        self.electors[name] = Elector(
            ElectorConfig(me=name, session=SESSION),
            persisted or Persisted(),
            clock=MonotonicClock(),
            persist=persist,
            tell=tell,
            keep_conflict=self.conflicts.append,
            changed=self.note_change,
        )
        return self.electors[name]

    def note_change(self) -> None:
        self.changes += 1

    @asynccontextmanager
    async def running(self, *names: HostName) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task((self.electors.get(n) or self.add(n)).run())
                for n in names
            ]
            yield
            for task in tasks:
                task.cancel()

    async def formed(self) -> Elector:
        """Return the leader of a new session of alice and bob."""
        for name in (ALICE, BOB):
            self.electors[name].post(AbilityChanged(able=True))
        created = CreateRequested(document=document((ALICE, BOB), mounts=False))
        self.electors[BOB].post(created)
        alice = self.electors[ALICE]
        await aeventually(lambda: alice.leadership.my_role is Role.LEADER, within=2)
        return alice


async def test_two_hosts_have_a_leader_within_a_second() -> None:
    jam = Jam()
    async with jam.running(ALICE, BOB):
        await jam.formed()
        bob = jam.electors[BOB]
        await aeventually(lambda: bob.leadership.leader == ALICE, within=1)
        assert jam.disks[BOB].voted_for == ALICE
        assert jam.changes > 0


async def test_a_change_returns_its_stamp_when_both_have_it() -> None:
    jam = Jam()
    async with jam.running(ALICE, BOB):
        alice = await jam.formed()
        running = alice.leadership.stamped
        assert running is not None
        stamp = await alice.stamp(running, based_on=running.stamp)
        assert stamp == Stamp(Term(1), 1)
        assert jam.disks[BOB].stamped == replace(running, stamp=stamp)
        with pytest.raises(Refused, match="changed by somebody"):
            await alice.stamp(running, based_on=running.stamp)


async def test_a_follower_refuses_to_stamp_and_to_hand_over() -> None:
    jam = Jam()
    async with jam.running(ALICE, BOB):
        await jam.formed()
        bob = jam.electors[BOB]
        await aeventually(lambda: bob.leadership.leader == ALICE, within=1)
        running = bob.leadership.stamped
        assert running is not None
        with pytest.raises(Unavailable, match="does not lead"):
            await bob.stamp(running)
        with pytest.raises(Unavailable, match="does not lead"):
            await bob.handover(None)


async def test_a_hand_over_moves_the_leadership() -> None:
    jam = Jam()
    async with jam.running(ALICE, BOB):
        alice = await jam.formed()
        bob = jam.electors[BOB]
        await aeventually(lambda: alice.leadership.standby == BOB, within=1)
        assert await alice.handover(BOB) == BOB
        await aeventually(lambda: bob.leadership.my_role is Role.LEADER, within=1)
        with pytest.raises(Refused, match="no other host"):
            await bob.handover(BOB)


async def test_a_change_without_a_majority_is_rejected_once_the_rights_are_lost() -> (
    None
):
    jam = Jam()
    async with jam.running(ALICE, BOB):
        alice = await jam.formed()
        running = alice.leadership.stamped
        assert running is not None
        jam.away.add(BOB)
        with pytest.raises(Unavailable, match="no majority"):
            await alice.stamp(running)


async def test_a_stopped_session_takes_no_change() -> None:
    jam = Jam()
    async with jam.running(ALICE, BOB):
        alice = await jam.formed()
        running = alice.leadership.stamped
        assert running is not None
        await alice.stamp(replace(running, stopped=True))
        with pytest.raises(Refused, match="stopped"):
            await alice.stamp(running)


async def test_a_full_disk_refuses_votes_and_changes_until_there_is_room() -> None:
    jam = Jam()
    async with jam.running(ALICE, BOB):
        alice = await jam.formed()
        running = alice.leadership.stamped
        assert running is not None
        jam.full.add(ALICE)
        with pytest.raises(Unavailable, match="disk is full"):
            await alice.stamp(running)
        jam.full.clear()
        await alice.stamp(running)


async def test_a_full_disk_at_a_voter_gives_no_vote() -> None:
    jam = Jam()
    async with jam.running(ALICE, BOB):
        jam.full.add(ALICE)
        created = CreateRequested(document=document((ALICE, BOB), mounts=False))
        jam.electors[BOB].post(created)
        bob = jam.electors[BOB]
        await aeventually(lambda: bob.leadership.stamped is not None, within=1)
        assert ALICE not in jam.disks
        jam.full.clear()
        await aeventually(lambda: bob.leadership.leader is not None, within=3)


async def test_an_edit_that_lost_is_kept() -> None:
    first = replace(
        document((ALICE, BOB), mounts=False),
        stamp=Stamp(Term(1), 1),
        voters=(ALICE, BOB),
    )
    edit = replace(first, stamp=Stamp(Term(1), 1, 2))
    newer = replace(first, stamp=Stamp(Term(2), 1))
    jam = Jam()
    jam.add(ALICE, Persisted(term=Term(2), stamped=newer, was_in_session=True))
    jam.add(BOB, Persisted(term=Term(1), stamped=edit, was_in_session=True))
    async with jam.running(ALICE, BOB):
        await aeventually(lambda: jam.disks.get(BOB, Persisted()).stamped, within=2)
        await aeventually(lambda: jam.conflicts, within=2)
        assert jam.disks[BOB].stamped == newer


async def test_an_ended_elector_answers_whoever_still_asks() -> None:
    jam = Jam()
    async with jam.running(ALICE, BOB):
        alice = await jam.formed()
    running = alice.leadership.stamped
    assert running is not None
    with pytest.raises(Unavailable, match="no more"):
        await alice.stamp(running)


async def test_messages_to_who_does_not_answer_do_not_pile_up() -> None:
    jam = Jam()
    async with jam.running(ALICE, BOB):
        alice = await jam.formed()
        under_way, never = 0, asyncio.Event()

        async def tell(to: HostName, message: Message) -> tuple[Message, ...]:
            nonlocal under_way
            assert (to, message.term) >= (BOB, Term(0))
            under_way += 1
            await never.wait()
            return ()

        alice._tell = tell
        for _ in range(5 * MOST_UNDER_WAY):
            alice._send(BOB, Hello(term=Term(1), presence=Presence(stamp=None)))
        await aeventually(lambda: under_way == MOST_UNDER_WAY, within=1)
        never.set()
