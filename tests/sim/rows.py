"""The rows of the fault table (election.md) as seeded histories on the pure core.

A row is a fault script with random instants and what it must show. Silences are
seconds without bytes at the listener; a player's burst covers two to five of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sessiond.core import election as el
from sessiond.units import HostName
from tests.sim.documents import document
from tests.sim.net import ICECAST, BreachError
from tests.sim.ntp import Clocks
from tests.sim.peace import judge
from tests.sim.play import Play
from tests.sim.results import Result, result_of
from tests.sim.schedule import Schedule
from tests.sim.station import Seat

# Less than the burst that every player holds (field notes: 4.1 s at 128 kbit/s), so
# that nothing is heard of it.
COVERED = 3.0


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row: what happens, and for comparison the goal's seconds without bytes."""

    title: str
    script: Callable[[Play], None]


def source_dies(play: Play) -> None:
    play.form(2, 5)
    host = play.on_air
    play.world.source_dies(host)
    play.run(10.0)
    play.expect(play.on_air is host, "another host took the mount")
    play.expect_held_within(1.0, 1.0)
    play.expect_puts(1)
    play.expect_terms(0)
    play.expect_silence(hot=0, cold=1.0)


def source_stops(play: Play) -> None:
    play.form(2, 5)
    host = play.on_air
    play.world.source_stops(host)
    play.run(10.0)
    play.expect(play.on_air is host, "another host took the mount")
    play.expect_held_within(4.0, 4.0)
    play.expect_puts(1)
    play.expect_terms(0)


def agent_restarts(play: Play) -> None:
    play.form(2, 5)
    host = play.on_air
    play.world.kill(host.name, "agent")
    play.run(play.some(0.2, 9.0))
    play.world.boot(host.name)
    play.run(20.0)
    play.expect_puts(0)
    play.expect_silence(hot=0, cold=0)


def broadcaster_dies(play: Play) -> None:
    play.form(2, 5)
    host = play.on_air
    play.world.kill(host.name, "all")
    play.run(play.some(6.0, 12.0))
    play.expect_held_within(3.0, 3.5)
    play.world.boot(host.name)
    play.run(5.0)
    play.expect_silence(hot=0, cold=3.5)
    play.expect_puts(1)


def goes_silent(play: Play) -> None:
    play.form(2, 5)
    host = play.on_air
    play.world.kill(host.name, "power")
    play.run(play.some(6.0, 12.0))
    play.world.boot(host.name)
    play.run(5.0)
    play.expect_silence(hot=3.0, cold=5.0)
    play.expect_puts(1)


def no_kill_rights(play: Play) -> None:
    play.form(2, 5)
    play.world.may_kill = False
    play.world.kill(play.on_air.name, "power")
    play.run(16.0)
    play.expect_held_within(13.0, 13.0)
    play.expect_silence(hot=COVERED, cold=13.0)


def host_pauses(play: Play) -> None:
    play.form(2, 5)
    old = play.world.holder
    assert old is not None
    play.world.pause(old.label.host, 30.0)
    play.run(29.9)
    play.expect_silence(hot=3.0, cold=5.0)
    play.run(10.0)
    play.expect(old.end is not None, "the old source is still on the mount")
    play.expect(old.last_byte <= play.mark, "the old source sent after its pause")
    play.expect_puts(1)


def two_apart(play: Play) -> None:
    play.form(2, 2)
    alice, bob = play.world.names
    play.world.separate(alice, bob)
    play.run(60.0)
    play.world.heal(alice, bob)
    play.run(10.0)
    play.expect_puts(0)
    play.expect_silence(hot=0, cold=0)
    play.expect(not play.world.kills, "a source was killed")


def minority(play: Play) -> tuple[list[HostName], list[HostName]]:
    """Return the broadcaster with too few others, and all the rest."""
    name = play.on_air.name
    others = play.others(name)
    most = (len(play.world.names) - 1) // 2
    few = play.random.randint(1, most) - 1
    return [name, *others[:few]], others[few:]


def leader_in_minority(play: Play) -> None:
    play.form(3, 5)
    few, many = minority(play)
    play.part(few, many)
    play.run(play.some(5.0, 60.0))
    play.rejoin(few, many)
    play.run(10.0)
    play.expect_puts(1)
    play.expect_silence(hot=0.5, cold=0.75)


def majority_without_icecast(play: Play) -> None:
    play.form(3, 5)
    few, many = minority(play)
    play.part(few, many)
    play.part(many, [ICECAST])
    play.run(play.some(5.0, 60.0))
    play.expect_silence(hot=0, cold=0)
    play.rejoin(few, many)
    play.rejoin(many, [ICECAST])
    play.run(10.0)
    play.expect_puts(0)
    play.expect_silence(hot=0, cold=0)


def two_of_three_die(play: Play) -> None:
    play.form(3, 3)
    how = play.random.choice(("all", "power"))
    broadcaster, standby = play.on_air.name, play.standby
    second = play.random.choice(play.others(broadcaster))
    play.world.kill(broadcaster, how)
    play.world.kill(second, how)
    play.run(20.0)
    play.expect_held_within(8.0, 8.0)
    survives = second != standby
    limit = 0.0 if how == "all" else COVERED
    play.expect_silence(hot=limit if survives else 8.0, cold=8.0)


def standby_loses_power(play: Play) -> None:
    play.form(2, 5)
    old = play.standby
    play.world.kill(old, "power")
    play.run(20.0)
    play.expect_silence(hot=0, cold=0)
    play.expect_puts(0)
    play.expect_terms(0)
    if len(play.world.names) > 2:
        play.expect(play.standby != old, "the dead host is still standby")
        hidden = play.world.station.holder(Seat.HIDDEN)
        play.expect(not play.hot or hidden is not None, "nobody feeds the hidden mount")


def one_way_loss(play: Play) -> None:
    play.form(2, 5)
    a, b = play.random.sample(play.world.names, 2)
    play.world.separate(a, b, both=False)
    play.run(60.0)
    play.expect_terms(1)
    play.world.heal(a, b)
    play.run(5.0)


def link_flaps(play: Play) -> None:
    play.form(2, 5)
    a, b = play.random.sample(play.world.names, 2)
    for _ in range(30):
        play.world.separate(a, b)
        play.run(2.0)
        play.world.heal(a, b)
        play.run(2.0)
    play.expect_puts(0)
    play.expect_terms(3)


def heal_after_long(play: Play) -> None:
    play.form(2, 5)
    host, old = play.on_air, play.world.holder
    assert old is not None
    ways = [*play.others(host.name), ICECAST]
    play.part([host.name], ways)
    play.run(play.some(10.5, 40.0))
    play.expect(old.end is not None, "Icecast still has the old source")
    play.expect(host.stream is None, "the old source still runs")
    play.rejoin([host.name], ways)
    play.run(10.0)
    play.expect(old.last_byte <= play.mark, "the old source sent after the heal")
    play.expect_puts(1)


def icecast_restarts(play: Play) -> None:
    play.form(2, 5)
    name, world = play.on_air.name, play.world
    if len(world.names) > 2 and play.random.random() < 0.5:
        # Who sleeps through it claims, when it wakes, that all is well.
        sleeper = play.random.choice(play.others(name))
        world.pause(sleeper, play.some(1.0, 20.0))
        play.run(play.some(0.0, 2.0))
    play.world.icecast_dies()
    play.run(play.some(0.3, 20.0))
    play.world.icecast_starts()
    listens = play.world.now
    play.run(10.0)
    puts = play.world.puts[play.puts :]
    play.expect([put.host for put in puts] == [name], "another took the mount")
    play.expect(puts[0].at - listens <= 2.0, "it took longer than 2 s")
    play.expect_terms(0)


def clock_steps(play: Play) -> None:
    required = play.seed % 4 >= 2
    clocks = Clocks(required=required)
    play.form(2, 5, clock=clocks.settings)
    play.run(clocks.start(play.world))
    name = play.random.choice((play.on_air.name, *play.world.names))
    play.begin()
    clocks.steps[name] = play.random.choice((-3600.0, 3600.0))
    play.run(60.0)
    play.expect(clocks.wrong() == [name], f"{clocks.wrong()} have a wrong clock")
    # Only where the operator demands a checked clock is that a reason to hand over.
    play.expect_puts(int(required))
    play.expect_terms(int(required))
    play.expect_silence(hot=0, cold=0.5 * required)


def all_agents_restart(play: Play) -> None:
    play.form(2, 5)
    for name in play.world.names:
        play.world.kill(name, "agent")
    down = play.some(0.2, 9.0)
    for name in play.world.names:
        play.world.after(play.some(down - 0.2, down), play.world.boot, name)
    terms = {host.name: host.disk.term for host in play.world.hosts.values()}
    play.run(25.0)
    play.expect_puts(0)
    play.expect_silence(hot=0, cold=0)
    for host in play.world.hosts.values():
        play.expect(host.disk.term >= terms[host.name], "a term fell")


def killed_between_writes(play: Play) -> None:
    play.form(2, 5)
    world = play.world
    for _ in range(8):
        host = world.hosts[play.random.choice(world.names)]
        host.crash_at_persist = play.random.choice(("before", "after"))
        if play.random.random() < 0.7 and world.living():
            asked = play.random.choice(world.living())
            world.ask_handover(asked.name)
        elif play.random.random() < 0.5 and host.state is not None:
            world.kill(host.name, play.random.choice(("agent", "all", "power")))
        play.run(play.some(0.1, 5.0))
        for each in world.hosts.values():
            each.crash_at_persist = ""
            if each.state is None and play.random.random() < 0.8:
                world.boot(each.name)
    for each in world.hosts.values():
        if each.state is None:
            world.boot(each.name)


def disk_full(play: Play) -> None:
    play.form(2, 5)
    world = play.world
    host = world.hosts[play.random.choice((play.on_air.name, *world.names))]
    host.disk_full = True
    term, vote = host.disk.term, host.disk.voted_for
    play.run(play.some(1.0, 10.0))
    play.expect_puts(0)
    play.expect_silence(hot=0, cold=0)
    world.kill(play.on_air.name, "all")
    play.run(play.some(1.0, 8.0))
    play.expect((host.disk.term, host.disk.voted_for) == (term, vote), "it voted")
    host.disk_full = False


def planned_handover(play: Play) -> None:
    play.form(2, 5)
    name, heir = play.on_air.name, play.standby
    play.world.ask_handover(name, play.random.choice((None, heir)))
    play.run(10.0)
    play.expect_puts(1)
    play.expect_terms(1)
    play.expect(play.on_air.name == heir, f"{play.on_air.name} took over")
    play.expect_silence(hot=0, cold=0.5)


def lost_heir(play: Play) -> None:
    play.form(4, 5)
    name, heir = play.on_air.name, play.standby
    rest = [other for other in play.others(name) if other != heir]
    play.world.ask_handover(name, heir)
    play.run(play.some(0.0, 0.1))
    # One other is left to tell; a majority is not.
    for dead in (heir, *rest[1:]):
        play.world.kill(dead, play.random.choice(("all", "power")))
    play.run(15.0)
    play.expect_silence(hot=8.0, cold=8.0)


def stop(play: Play) -> None:
    play.form(2, 5)
    world, name = play.world, play.on_air.name
    running = world.lead(name).stamped
    assert running is not None
    absent = play.random.choice([None, *play.others(name)])
    if absent is not None:
        world.kill(absent, "all")
    ended = replace(running, stopped=True)
    world.feed(world.hosts[name], el.StampRequested(request=0, document=ended))
    play.run(3.0)
    if absent is not None:
        world.boot(absent)
    play.run(play.some(3.0, 10.0))
    sources = [host.name for host in world.hosts.values() if host.stream or host.hidden]
    play.expect(not sources, f"{sources} still have sources")
    play.expect(world.holder is None, "the mount is not free")
    again = document(world.names)
    world.create(play.random.choice(world.names), again)
    play.run(10.0)


def bad_wifi(play: Play) -> None:
    play.form(2, 5, wifi=True, loss=0.05, delay=(0.0, 0.05))
    play.run(600.0)
    play.expect_puts(0)
    play.expect_terms(0)
    play.expect_silence(hot=0, cold=0)


ROWS = {
    "1": Row(title="source kill -9", script=source_dies),
    "2": Row(title="agent kill -9, restarted within 9 s [0/0]", script=agent_restarts),
    "3": Row(title="every process kill -9 [0/2.5]", script=broadcaster_dies),
    "4": Row(title="broadcaster silent [2.0/3.5]", script=goes_silent),
    "5": Row(title="the same without kill rights", script=no_kill_rights),
    "6": Row(title="source SIGSTOP", script=source_stops),
    "7": Row(title="whole host paused for 30 s [2.0/3.5]", script=host_pauses),
    "8": Row(title="two hosts apart for 60 s [0/0]", script=two_apart),
    "9": Row(title="leader in the minority", script=leader_in_minority),
    "9b": Row(title="and the majority without Icecast [0/0]",
              script=majority_without_icecast),
    "9c": Row(title="two of three die at once", script=two_of_three_die),
    "9d": Row(title="the standby loses power [0/0]", script=standby_loses_power),
    "10": Row(title="one-way loss between two hosts", script=one_way_loss),
    "11": Row(title="link flapping for 2 min", script=link_flaps),
    "12": Row(title="heal after more than 10 s", script=heal_after_long),
    "13": Row(title="Icecast restarts", script=icecast_restarts),
    "14": Row(title="wall clock one hour off", script=clock_steps),
    "16": Row(title="all agents kill -9 and restart", script=all_agents_restart),
    "17": Row(title="kill -9 between any two writes", script=killed_between_writes),
    "18": Row(title="disk full, then the broadcaster dies", script=disk_full),
    "20": Row(title="5 % loss, 50 ms jitter, 10 min", script=bad_wifi),
    "handover": Row(title="planned hand-over", script=planned_handover),
    "lost-heir": Row(title="a hand-over's heir dies, and a majority",
                     script=lost_heir),
    "stop": Row(title="stopped, and created again", script=stop),
    "25": Row(title="anything at all", script=bad_wifi),
}  # fmt: skip


def play(row: str, seed: int, *, quiet: bool = True) -> Result:
    """Play one history of a row; "25" is any history at all."""
    if row == "25":
        return Schedule(seed, quiet=quiet).play()
    history = Play(row, seed, quiet=quiet)
    breach, settled = "", -1.0
    try:
        ROWS[row].script(history)
        history.world.note("-- peace")
        history.world.loss = 0.0
        settled = judge(history.world, patience=40.0)
    except BreachError as e:
        breach = str(e)
    return result_of(
        history.world,
        row=row,
        hosts=len(history.world.names),
        hot=history.hot,
        breach=breach,
        settled_after=settled,
        since=history.mark,
        terms=history.terms,
    )
