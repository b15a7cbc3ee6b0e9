"""What operators ask for, and what bad requests get: whole agents, fake programs."""

import asyncio
from dataclasses import replace

import pytest

from sessiond.core.spec import HostRef, IcecastServer, SessionSpec
from sessiond.core.stamped import Secrets, Stamp
from sessiond.errors import Broken, Refused, Unavailable
from sessiond.units import Decibels, Hertz, MountPath, SessionName, Term
from tests.agent.band import JAM, SOON, Agent, Band, band, jam, show
from tests.core.examples import ALICE, BOB, CAROL, TRIO, mount
from tests.support.eventually import aeventually

NOTHING = Secrets()
MIX = MountPath("/mix.ogg")


def follower(*agents: Agent) -> Agent:
    return next(agent for agent in agents if not agent.leads)


async def duo(opened: Band, spec: SessionSpec | None = None) -> tuple[Agent, Agent]:
    """Return leader and follower of a session of alice and bob."""
    alice, bob = await opened.add("alice"), await opened.add("bob")
    leader = await opened.formed(spec or jam(), alice, bob)
    return leader, follower(alice, bob)


async def stored(agent: Agent, stamp: Stamp) -> None:
    """Return once the agent has a document of this stamp or a newer one."""
    await aeventually(lambda: agent.document.stamp >= stamp, within=SOON)


# Creating


async def test_created_sessions_form_on_every_host_that_is_there() -> None:
    async with band() as opened:
        agents = await opened.trio()
        await opened.formed(jam(*TRIO), *agents)
        doc = agents[0].document
        assert {m.name: m.id for m in doc.members} == {
            a.host.name: a.host.id for a in agents
        }
        for agent in agents:
            others = {f"link-{n}" for n in TRIO if n != agent.host.name}
            assert agent.host.lifecycles.keys() == others
            assert agent.jack.wires == agent.host.plan.wires


async def test_a_second_turn_on_a_formed_session_does_nothing() -> None:
    async with band() as opened:
        both = await duo(opened, show())
        await aeventually(lambda: MIX in opened.radio.mounts, within=SOON)
        for agent in both:
            agent.tasks[0].cancel()
            await asyncio.wait(agent.tasks[:1])
            for _ in range(5):
                await agent.reconciler.turn()
            before = agent.host.lifecycles
            assert agent.host.settled
            await agent.reconciler.turn()
            assert agent.host.settled
            assert agent.host.lifecycles == before


async def test_an_absent_host_stops_nobody_and_joins_when_it_comes() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        await alice.service.create(jam(), NOTHING)
        await aeventually(lambda: alice.host.document is not None, within=SOON)
        bob = await opened.add("bob")
        await aeventually(
            lambda: bob.host.document is not None and bob.is_settled(), within=SOON
        )
        await aeventually(lambda: "link-bob" in alice.host.lifecycles, within=SOON)


async def test_a_session_is_created_by_one_of_its_hosts_whoever_is_asked() -> None:
    async with band() as opened:
        alice, bob = await opened.add("alice"), await opened.add("bob")
        carol = await opened.add("carol")
        await carol.service.create(jam(ALICE, BOB), NOTHING, by_owner=True)
        await aeventually(lambda: bob.host.document is not None, within=SOON)
        assert alice.host.document is not None
        assert carol.host.document is None


async def test_nobody_can_create_a_session_of_hosts_that_are_not_there() -> None:
    async with band() as opened:
        carol = await opened.add("carol")
        with pytest.raises(Unavailable, match="None of the hosts of jam"):
            await carol.service.create(jam(ALICE, BOB), NOTHING, by_owner=True)


async def test_nobody_but_its_owner_has_a_host_ask_its_studio_for_them() -> None:
    async with band() as opened:
        agents = alice, bob, _ = await opened.trio()
        line = alice.operator._now.agent(bob.address, bob.host.identity.certificate)
        await alice.roster.ask_all([bob.address])
        async with line as asked:
            with pytest.raises(Refused, match=r"bob is no host of jam\."):
                await asked.create(jam(CAROL), NOTHING)
        assert [a.host.document for a in agents] == [None] * 3


async def test_an_impossible_spec_over_the_wire_is_refused_with_every_mistake() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        twice = jam(mounts=(mount(), mount()), rate_hz=Hertz(1))
        with pytest.raises(Refused, match="can't be as it is asked for") as refusal:
            await alice.service.create(twice, NOTHING)
        assert "rate_hz" in refusal.value.hint
        assert "/mix.ogg" in refusal.value.hint


async def test_a_host_is_in_one_session_at_a_time() -> None:
    async with band() as opened:
        leader, other = await duo(opened)
        second = replace(jam(), name=SessionName("second"))
        for agent in (leader, other):
            with pytest.raises(Refused, match="is in the session jam already"):
                await agent.service.create(second, NOTHING)


async def test_a_host_that_is_busy_elsewhere_is_named_with_its_session() -> None:
    async with band() as opened:
        await duo(opened)
        carol = await opened.add("carol")
        second = replace(jam(CAROL, BOB), name=SessionName("second"))
        with pytest.raises(Refused, match="bob is busy in the session jam"):
            await carol.service.create(second, NOTHING)
        assert carol.host.document is None


async def test_the_running_sessions_name_can_not_be_created_again() -> None:
    async with band() as opened:
        leader, _ = await duo(opened)
        with pytest.raises(Refused, match="already"):
            await leader.service.create(jam(), NOTHING)


async def test_two_agents_of_one_name_are_refused_with_both_addresses() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        one, two = await opened.add("bob"), await opened.add("bob")
        with pytest.raises(Refused, match="Two agents call themselves bob") as refusal:
            await alice.service.create(jam(), NOTHING)
        assert one.address in refusal.value.sentence
        assert two.address in refusal.value.sentence
        assert "bob@" in refusal.value.hint


async def test_an_address_picks_one_of_two_namesakes() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        one, two = await opened.add("bob"), await opened.add("bob")
        named = (HostRef(name=ALICE), HostRef(name=BOB, address=two.address))
        doc = await alice.service.create(jam(hosts=named), NOTHING)
        member = doc.member(BOB)
        assert member is not None
        assert member.id == two.host.id
        await aeventually(lambda: two.host.document is not None, within=SOON)
        assert one.host.document is None


async def test_an_address_of_somebody_else_is_refused() -> None:
    async with band() as opened:
        alice, carol = await opened.add("alice"), await opened.add("carol")
        named = (HostRef(name=ALICE), HostRef(name=BOB, address=carol.address))
        with pytest.raises(Refused, match=r"is carol, not bob\."):
            await alice.service.create(jam(hosts=named), NOTHING)


@pytest.mark.parametrize("slow", [ALICE, BOB])
async def test_a_jack_at_another_rate_is_refused_with_both_rates(slow: str) -> None:
    async with band() as opened:
        rates = {ALICE: 48000, BOB: 48000, slow: 44100}
        alice = await opened.add("alice", rate_hz=rates[ALICE])
        bob = await opened.add("bob", rate_hz=rates[BOB])
        await aeventually(lambda: bob.host.observed.graph is not None, within=SOON)
        await aeventually(lambda: alice.host.observed.graph is not None, within=SOON)
        with pytest.raises(Refused, match="44100 Hz, the session at 48000 Hz"):
            await alice.service.create(jam(), NOTHING)
        assert alice.host.document is None
        assert bob.host.document is None


async def test_a_wrong_source_password_leaves_nothing_behind() -> None:
    async with band() as opened:
        opened.radio.wrong.add("wrong")
        alice, bob = await opened.add("alice"), await opened.add("bob")
        with pytest.raises(Broken, match=r"denies /mix\.ogg"):
            await alice.service.create(show(), Secrets(source="wrong"))
        assert (alice.host.document, bob.host.document) == (None, None)
        assert alice.host.secrets == Secrets()


async def test_a_wrong_admin_password_is_noticed_too() -> None:
    async with band() as opened:
        opened.radio.wrong.add("wrong")
        alice = await opened.add("alice")
        server = IcecastServer(host="127.0.0.1", admin_user="chief")
        with pytest.raises(Broken, match="does not know chief"):
            await alice.service.create(
                show((ALICE, BOB), icecast=server),
                Secrets(source="hackme", admin="wrong"),
            )


async def test_an_icecast_that_does_not_answer_is_unavailable() -> None:
    async with band() as opened:
        opened.radio.up = False
        alice = await opened.add("alice")
        with pytest.raises(Unavailable, match="did not answer"):
            await alice.service.create(show(), NOTHING)


async def test_a_full_disk_is_told_and_no_session_begins() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        alice.store.full = True
        with pytest.raises(Unavailable):
            await alice.service.create(jam(ALICE, BOB), NOTHING)
        assert alice.host.document is None


# Changing


async def test_a_change_is_stamped_whoever_is_asked() -> None:
    async with band() as opened:
        leader, other = await duo(opened)
        wanted = jam(links=replace(jam().links, channels=1))
        doc = await other.service.apply(wanted, NOTHING, other.document.stamp)
        assert doc.spec == wanted
        for agent in (leader, other):
            await stored(agent, doc.stamp)
            assert agent.document.spec == wanted


async def test_the_second_of_two_operators_is_told_and_nothing_is_lost() -> None:
    async with band() as opened:
        leader, _ = await duo(opened)
        begun = leader.document.stamp
        first = await leader.service.apply(
            jam(links=replace(jam().links, channels=1)), NOTHING, begun
        )
        with pytest.raises(Refused, match="has changed since") as refusal:
            await leader.service.apply(jam(), NOTHING, begun)
        assert str(first.stamp) in refusal.value.sentence
        assert leader.document.spec == first.spec


async def test_a_change_made_from_another_term_is_told_by_a_follower_too() -> None:
    async with band() as opened:
        _, other = await duo(opened)
        with pytest.raises(Refused, match="has changed since"):
            await other.service.apply(jam(), NOTHING, Stamp(Term(99), 1))


async def test_a_new_host_joins_and_the_others_links_keep_their_pids() -> None:
    async with band() as opened:
        leader, other = await duo(opened)
        carol = await opened.add("carol")
        before = leader.procs.seen()
        await leader.service.apply(jam(*TRIO), NOTHING, None)
        await aeventually(
            lambda: len(carol.host.lifecycles) == 2 and carol.host.settled, within=SOON
        )
        after = leader.procs.seen()
        assert {n: p.identity for n, p in before.items()}.items() <= {
            n: p.identity for n, p in after.items()
        }.items()
        assert other.document.spec.host_names == TRIO


async def test_a_new_host_that_is_busy_is_refused() -> None:
    async with band() as opened:
        leader, _ = await duo(opened)
        carol = await opened.add("carol")
        await carol.service.create(
            replace(jam(CAROL), name=SessionName("solo")), NOTHING
        )
        with pytest.raises(Refused, match="carol is busy in the session solo"):
            await leader.service.apply(jam(*TRIO), NOTHING, None)
        assert leader.document.spec.host_names == (ALICE, BOB)


async def test_a_dropped_host_is_free_again() -> None:
    async with band() as opened:
        agents = await opened.trio()
        leader = await opened.formed(jam(*TRIO), *agents)
        gone = agents[2] if leader is not agents[2] else agents[1]
        left = tuple(n for n in TRIO if n != gone.host.name)
        await leader.service.apply(jam(*left), NOTHING, None)
        await aeventually(
            lambda: not gone.host.lifecycles and gone.host.settled, within=SOON
        )


async def test_a_session_can_not_move_to_another_kind_of_icecast() -> None:
    async with band() as opened:
        leader, _ = await duo(opened, show())
        with pytest.raises(Refused, match="can't move between"):
            await leader.service.apply(show((ALICE, BOB), icecast=None), NOTHING, None)


async def test_a_mount_comes_and_goes_without_a_restart_of_the_others() -> None:
    async with band() as opened:
        leader, _ = await duo(opened, show())
        await aeventually(lambda: MIX in opened.radio.mounts, within=SOON)
        first = opened.radio.mounts[MIX]
        more = show((ALICE, BOB), (mount(), mount("/dj1.ogg", ALICE)))
        await leader.service.apply(more, NOTHING, None)
        await aeventually(lambda: "/dj1.ogg" in opened.radio.mounts, within=SOON)
        await leader.service.apply(show(), NOTHING, None)
        # Its hidden mount, which the standby feeds, goes with it.
        await aeventually(
            lambda: not any("dj1" in path for path in opened.radio.mounts), within=SOON
        )
        assert opened.radio.mounts[MIX] == first


# Gains


async def test_a_gain_is_a_stamped_revision_that_the_mix_down_follows() -> None:
    async with band() as opened:
        leader, other = await duo(opened, show())
        stamp = await other.service.gain(JAM, MIX, BOB, Decibels(-6.0))
        assert stamp > Stamp(Term(1), 0)
        await stored(leader, stamp)
        assert leader.document.spec.mounts[0].gains_db == {BOB: -6.0}

        def followed() -> bool:
            mix = leader.host.observed.mix
            return mix is not None and mix.order.gain("mix.ogg", BOB) == -6.0

        await aeventually(followed, within=SOON)


@pytest.mark.parametrize("at_leader", [True, False])
@pytest.mark.parametrize(
    ("path", "host", "gain", "words"),
    [
        ("/dj9.ogg", BOB, -6.0, "has no mount"),
        ("/dj1.ogg", BOB, -6.0, r"bob is not on /dj1\.ogg"),
        ("/mix.ogg", CAROL, -6.0, "carol is not on"),
        ("/mix.ogg", BOB, 999.0, "can't be as it is asked for"),
    ],
)
async def test_a_fader_that_is_none_is_refused(
    *, at_leader: bool, path: str, host: str, gain: float, words: str
) -> None:
    async with band() as opened:
        spec = show((ALICE, BOB), (mount(), mount("/dj1.ogg", ALICE)))
        leader, other = await duo(opened, spec)
        before = leader.document
        asked = leader if at_leader else other
        with pytest.raises(Refused, match=words):
            await asked.service.gain(
                JAM, MountPath(path), type(BOB)(host), Decibels(gain)
            )
        assert leader.document == before


# Titles


async def test_a_title_is_a_stamped_revision_that_both_seats_sources_get() -> None:
    async with band() as opened:
        leader, other = await duo(opened, show())
        stamp = await other.service.title(JAM, MIX, " A - B ")
        await stored(leader, stamp)
        assert leader.document.titles == {MIX: "A - B"}
        assert leader.document.spec.mounts == show().mounts

        def told() -> bool:
            orders = [one.host.plan.sources.values() for one in (leader, other)]
            titles = [[order.title for order in each] for each in orders]
            return titles == [["A - B"], ["A - B"]]

        await aeventually(told, within=SOON)
        again = await leader.service.title(JAM, MIX, "")
        await stored(other, again)
        assert other.document.titles == {}


@pytest.mark.parametrize("at_leader", [True, False])
@pytest.mark.parametrize(
    ("path", "title", "words"),
    [("/dj9.ogg", "A", "has no mount"), ("/mix.ogg", "a\nb", "A title must be")],
)
async def test_a_title_that_is_none_is_refused(
    *, at_leader: bool, path: str, title: str, words: str
) -> None:
    async with band() as opened:
        leader, other = await duo(opened, show())
        before = leader.document
        asked = leader if at_leader else other
        with pytest.raises(Refused, match=words):
            await asked.service.title(JAM, MountPath(path), title)
        assert leader.document == before


# Another session, no session, no leader


async def test_a_request_for_another_session_names_the_present_one() -> None:
    async with band() as opened:
        leader, _ = await duo(opened)
        other = SessionName("other")
        asked = (
            leader.service.gain(other, MIX, BOB, Decibels(0)),
            leader.service.handover(other, None),
            leader.service.stop(other),
            leader.service.apply(replace(jam(), name=other), NOTHING, None),
        )
        for request in asked:
            with pytest.raises(Refused, match=r"in the session jam, not in other\."):
                await request
        with pytest.raises(Refused, match="is not in the session other"):
            await leader.service.spec(other)


async def test_a_host_without_a_session_says_so() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        asked = (
            alice.service.gain(JAM, MIX, BOB, Decibels(0)),
            alice.service.handover(JAM, None),
            alice.service.stop(JAM),
            alice.service.apply(jam(), NOTHING, None),
            alice.service.spec(None),
            alice.service.status(None),
            alice.service.leave(),
            alice.service.resume(),
            alice.service.mute(BOB, muted=True),
        )
        for request in asked:
            with pytest.raises(Refused):
                await request


async def test_without_a_leader_a_change_is_unavailable_and_the_sound_goes_on() -> None:
    async with band() as opened:
        leader, other = await duo(opened)
        await opened.end(leader)
        with pytest.raises(Unavailable):
            await other.service.apply(jam(), NOTHING, None)
        assert other.jack.wires
        leader.procs.die()


# Handing over


async def test_the_show_is_handed_over_to_whom_the_operator_names() -> None:
    async with band() as opened:
        leader, other = await duo(opened, show())
        await aeventually(lambda: MIX in opened.radio.mounts, within=SOON)
        name = other.host.name
        assert await leader.service.handover(JAM, name) == name
        await aeventually(lambda: other.leads, within=SOON)
        await aeventually(
            lambda: (
                MIX in opened.radio.mounts
                and f"host={name} " in opened.radio.mounts[MIX].description
            ),
            within=SOON,
        )


async def test_handing_over_to_the_leader_itself_changes_nothing() -> None:
    async with band() as opened:
        leader, other = await duo(opened)
        name = leader.host.name
        assert await other.service.handover(JAM, name) == name
        assert leader.leads


async def test_a_stranger_can_not_be_handed_the_show() -> None:
    async with band() as opened:
        leader, _ = await duo(opened)
        with pytest.raises(Refused, match="carol is no host of jam"):
            await leader.service.handover(JAM, CAROL)
