"""Whom Icecast's passwords are shown: the station that they were given for."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from agent.adapters.executables import programs
from agent.records import save_secrets
from sessiond.core.spec import BroadcastSettings, IcecastServer
from sessiond.core.stamped import Secrets, Station
from sessiond.errors import Broken, Refused, Unavailable
from sessiond.units import MountPath
from tests.agent.band import JAM, SOON, Agent, band, jam, show
from tests.agent.test_operator import MIX, NOTHING, duo, stored
from tests.core.examples import ALICE, BOB, TRIO, mount
from tests.support.eventually import aeventually


def known(agent: Agent) -> Secrets:
    """Return the passwords that an agent has, for the session's own station."""
    assert agent.host.secrets.station == agent.document.station
    return replace(agent.host.secrets, join="", station=None)


# 128 bits in letters that need no escaping.
ENOUGH = 22

ELSEWHERE = IcecastServer(host="10.9.9.9", port=1)


@pytest.mark.parametrize(
    "server",
    [
        ELSEWHERE,
        IcecastServer(host="127.0.0.1", port=2),
        IcecastServer(host="127.0.0.1", port=1, tls=True),
    ],
)
async def test_another_icecast_is_shown_no_password_of_the_one_before(
    server: IcecastServer,
) -> None:
    async with band() as opened:
        leader, other = await duo(opened, show())
        before = leader.host.secrets
        assert before.source == "hackme"
        moved = show((ALICE, BOB), icecast=server)
        for asked in (leader, other):
            with pytest.raises(Refused, match=r"no password is given for /mix\.ogg"):
                await asked.service.apply(moved, NOTHING, None)
        assert leader.host.secrets == before
        await leader.service.apply(moved, Secrets(source="its own"), None)
        assert known(leader) == Secrets(source="its own")
        assert leader.host.secrets.join == before.join


async def test_an_icecast_with_its_own_admin_asks_for_that_password_too() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        chief = IcecastServer(host="127.0.0.1", port=1, admin_user="chief")
        given = Secrets(source="hackme", admin="boss")
        await alice.service.create(show((ALICE,), icecast=chief), given)
        await aeventually(lambda: MIX in opened.radio.mounts, within=SOON)
        moved = show((ALICE,), icecast=replace(chief, port=2))
        with pytest.raises(Refused, match="given for the user chief"):
            await alice.service.apply(moved, Secrets(source="its own"), None)


async def test_a_leader_that_has_not_got_them_changes_only_what_is_given_whole() -> (
    None
):
    async with band() as opened:
        alice = await opened.add("alice")
        chief = IcecastServer(host="127.0.0.1", port=1, admin_user="chief")
        given = Secrets(source="hackme", admin="boss")
        await alice.service.create(show((ALICE,), icecast=chief), given)
        await aeventually(lambda: MIX in opened.radio.mounts, within=SOON)
        alice.host.secrets, alice.host.secrets_of = Secrets(), ""
        more = show((ALICE,), (mount(), mount("/dj1.ogg")), icecast=chief)
        with pytest.raises(Unavailable, match="not got Icecast's passwords yet"):
            await alice.service.apply(more, given, None)
        moved = show((ALICE,), icecast=replace(chief, port=2))
        with pytest.raises(Refused, match="given for the user chief"):
            await alice.service.apply(moved, Secrets(source="its own"), None)
        await alice.service.apply(moved, given, None)
        assert known(alice) == given


async def test_no_source_shows_its_password_where_it_is_not_for() -> None:
    async with band() as opened:
        leader, other = await duo(opened, show())
        await aeventually(lambda: MIX in opened.radio.mounts, within=SOON)
        doc, place = leader.document, Station(address="10.9.9.9", port=8000)
        membership = leader.sessions.current()
        assert membership is not None
        stamp = await membership.elector.stamp(
            replace(doc, station=place), based_on=doc.stamp
        )
        await stored(other, stamp)
        for agent in (leader, other):
            agent.tasks[0].cancel()
            await asyncio.wait(agent.tasks[:1])
            for _ in range(3):
                await agent.reconciler.turn()
            children = agent.procs.children.values()
            orders = [one.order for one in children if one.order is not None]
            assert {order.address for order in orders} <= {"127.0.0.1"}
            there = place.address, place.port
            assert agent.host.password(MIX, *there, tls=False) is None


async def test_passwords_that_are_left_out_stay_and_new_ones_are_checked() -> None:
    async with band() as opened:
        opened.radio.wrong.add("wrong")
        leader, other = await duo(opened, show())
        more = show((ALICE, BOB), (mount(), mount("/dj1.ogg")))
        own = Secrets(mounts={MountPath("/dj1.ogg"): "wrong"})
        with pytest.raises(Broken, match=r"denies /dj1\.ogg"):
            await leader.service.apply(more, own, None)
        assert known(leader) == Secrets(source="hackme")
        assert len(leader.document.spec.mounts) == 1
        good = Secrets(mounts={MountPath("/dj1.ogg"): "own"})
        await leader.service.apply(more, good, None)
        assert known(leader) == replace(good, source="hackme")
        await aeventually(
            lambda: other.host.secrets == leader.host.secrets, within=SOON
        )


async def test_what_an_earlier_version_stored_is_for_the_sessions_own_station() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        await alice.service.create(show((ALICE,)), Secrets(source="hackme"))
        await aeventually(lambda: MIX in opened.radio.mounts, within=SOON)
        save_secrets(alice.host, JAM, replace(alice.host.secrets, station=None))
        again = await opened.restart(alice)
        await aeventually(again.is_settled, within=SOON)
        assert known(again) == Secrets(source="hackme")


async def test_nobody_is_given_them_for_running_another_station() -> None:
    async with band() as opened:
        spec = show(broadcast=BroadcastSettings(never=frozenset({BOB})))
        leader, other = await duo(opened, spec)
        doc, membership = leader.document, leader.sessions.current()
        assert membership is not None
        moved = replace(doc, station=Station(address="10.9.9.9", port=1, host=BOB))
        stamp = await membership.elector.stamp(moved, based_on=doc.stamp)
        await stored(other, stamp)
        assert membership._to_give() == frozenset()
        assert other.host.secrets == Secrets()


async def test_an_own_icecast_that_comes_with_the_first_mount_gets_passwords() -> None:
    async with band() as opened:
        spec = jam(broadcast=BroadcastSettings(never=frozenset({BOB})))
        carol_too = replace(spec, hosts=jam(*TRIO).hosts)
        agents = await opened.trio()
        leader = await opened.formed(carol_too, *agents)
        await aeventually(lambda: bool(leader.host.secrets.join), within=SOON)
        join = leader.host.secrets.join
        await leader.service.apply(replace(carol_too, mounts=(mount(),)), NOTHING, None)
        made = leader.host.secrets
        words = (made.source, made.admin, made.relay, made.for_mount(MIX))
        assert len(set(words)) == len(words)
        assert min(map(len, words)) >= ENOUGH
        assert made.station == leader.document.station
        assert made.join == join
        others = [a for a in agents if a not in (leader, agents[1])]
        for other in others:
            await aeventually(lambda: other.host.secrets == made, within=SOON)  # noqa: B023
        # What was made stays, also with a further mount.
        more = replace(carol_too, mounts=(mount(), mount("/dj1.ogg")))
        await leader.service.apply(more, NOTHING, None)
        known = leader.host.secrets
        assert replace(known, mounts=made.mounts) == made
        assert known.mounts.items() > made.mounts.items()
        assert agents[1].host.secrets == Secrets()


async def test_without_the_program_no_first_mount_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with band() as opened:
        leader, _ = await duo(opened, jam())
        before = leader.document
        jacktrip = programs()["jacktrip"]
        assert jacktrip is not None
        (tmp_path / "jacktrip").symlink_to(jacktrip)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(Broken, match="icecast2 is missing on"):
            await leader.service.apply(jam(mounts=(mount(),)), NOTHING, None)
        assert leader.document == before
