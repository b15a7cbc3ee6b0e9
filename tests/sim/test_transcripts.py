"""Golden transcripts: what a few histories look like, to a tenth of a second.

Times begin with the first fault; a host's line says its role, whom it takes for the
leader, and its term.
"""

from collections.abc import Callable

import pytest

from sessiond.units import HostName
from tests.sim.documents import document
from tests.sim.world import World

ALICE, BOB, CAROL = (HostName(name) for name in ("alice", "bob", "carol"))

# Every host is up, and half a minute has shown that nothing stirs.
CREATED = 1.0
FORMED = 6.0


def jam(*names: HostName) -> World:
    """Return a session on the air, its transcript empty."""
    world = World(seed=1, names=names)
    world.run(CREATED)
    world.create(names[-1], document(names))
    world.run(FORMED)
    return world


def transcript(world: World, since: float = FORMED) -> str:
    """Return what happened since, one line an event, without repetitions."""
    lines = []
    for line in world.log:
        at, _, text = line.strip().partition(" ")
        if float(at) >= since:
            lines.append(f"{float(at) - since:5.1f} {text}")
    return "\n".join(dict.fromkeys(lines))


def broadcaster_dies(world: World) -> None:
    """Kill every process of alice, and start her again 6 s later."""
    world.kill(ALICE, "all")
    world.run(FORMED + 6.0)
    world.boot(ALICE)


def loses_power(world: World) -> None:
    """Cut alice's power: Icecast hears nothing more, not even an end."""
    world.kill(ALICE, "power")


def two_die(world: World) -> None:
    """Kill two of three at once, the broadcaster among them."""
    world.kill(ALICE, "all")
    world.kill(BOB, "all")


def parted(world: World) -> None:
    """Cut alice from everyone for a minute; Icecast hears all of them."""
    rest = [name for name in world.names if name != ALICE]
    for name in rest:
        world.separate(ALICE, name)
    world.run(FORMED + 60.0)
    for name in rest:
        world.heal(ALICE, name)


def agents_restart(world: World) -> None:
    """Kill all agents and start them again 2 s later; their sources live on."""
    for name in world.names:
        world.kill(name, "agent")
    world.run(FORMED + 2.0)
    for name in world.names:
        world.boot(name)


def icecast_restarts(world: World) -> None:
    """End Icecast for 3 s."""
    world.icecast_dies()
    world.run(FORMED + 3.0)
    world.icecast_starts()


def one_way(world: World) -> None:
    """Lose everything that alice sends to bob."""
    world.separate(ALICE, BOB, both=False)


def flapping(world: World) -> None:
    """Cut and mend a link every two seconds, twice; row 11 does it for minutes."""
    for _ in range(2):
        world.separate(ALICE, BOB)
        world.run(world.now + 2.0)
        world.heal(ALICE, BOB)
        world.run(world.now + 2.0)


def hand_over(world: World) -> None:
    """Ask alice to hand over to carol."""
    world.ask_handover(ALICE, CAROL)


def unable(world: World) -> None:
    """Take alice's JACK away."""
    world.set_willing(ALICE, willing=False)


def paused(world: World) -> None:
    """Stop the whole of alice for 30 s."""
    world.pause(ALICE, 30.0)


def one_sleeps_through_icecasts_restart(world: World) -> None:
    """Pause carol for 3 s, and end Icecast for 6 s meanwhile."""
    world.pause(CAROL, 3.0)
    world.run(FORMED + 0.2)
    world.icecast_dies()
    world.run(FORMED + 6.0)
    world.icecast_starts()


def successors_heard_of_different_standbys(world: World) -> None:
    """Name carol standby, let only her hear of it, and kill alice."""
    world.set_willing(BOB, willing=False)
    world.run(FORMED + 2.0)
    world.set_willing(BOB, willing=True)
    world.separate(ALICE, BOB)
    for name in (BOB, CAROL):
        world.kill(name, "agent")
        world.boot(name)
    world.run(FORMED + 2.7)
    world.kill(ALICE, "all")


def test_creating_a_session_has_a_leader_within_a_second() -> None:
    world = jam(ALICE, BOB, CAROL)
    assert (
        transcript(world, CREATED)
        == """\
  0.0 alice - (leader None, term 1)
  0.0 carol - (leader alice, term 1)
  0.0 alice leader (leader alice, term 1)
  0.0 bob - (leader alice, term 1)
  0.4 alice on the air as leader of term 1"""
    )


@pytest.mark.parametrize(
    ("names", "fault", "golden"),
    [
        pytest.param(
            (ALICE, BOB),
            broadcaster_dies,
            """
  0.0 alice off the air
  1.3 bob caretaker (leader bob, term 1)
  1.6 bob on the air as caretaker of term 1
  6.0 alice - (leader None, term 1)
  6.0 alice - (leader bob, term 1)
  9.2 bob caretaker (leader bob, term 2)
  9.2 alice - (leader bob, term 2)
  9.2 bob leader (leader bob, term 2)
""",
            id="broadcaster_dies-two",
        ),
        pytest.param(
            (ALICE, BOB, CAROL),
            broadcaster_dies,
            """
  0.0 alice off the air
  1.0 bob - (leader alice, term 2)
  1.0 carol - (leader bob, term 2)
  1.1 bob leader (leader bob, term 2)
  1.4 bob on the air as leader of term 2
  6.0 alice - (leader None, term 1)
  6.1 alice - (leader bob, term 2)
""",
            id="broadcaster_dies-three",
        ),
        pytest.param(
            (ALICE, BOB, CAROL),
            loses_power,
            """
  0.0 alice silent
  2.0 bob - (leader alice, term 2)
  2.0 carol - (leader bob, term 2)
  2.0 bob leader (leader bob, term 2)
  2.3 bob kills the source of alice
  2.7 bob on the air as leader of term 2
""",
            id="loses_power-three",
        ),
        pytest.param(
            (ALICE, BOB, CAROL),
            two_die,
            """
  0.0 alice off the air
  5.5 carol caretaker (leader carol, term 1)
  5.9 carol on the air as caretaker of term 1
""",
            id="two_die-three",
        ),
        pytest.param(
            (ALICE, BOB),
            parted,
            """
  1.8 alice caretaker (leader alice, term 1)
 60.0 alice leader (leader alice, term 1)
""",
            id="parted-two",
        ),
        pytest.param(
            (ALICE, BOB, CAROL),
            parted,
            """
  1.8 alice caretaker (leader alice, term 1)
 12.5 bob - (leader alice, term 2)
 12.5 carol - (leader bob, term 2)
 12.5 bob leader (leader bob, term 2)
 12.8 bob kills the source of alice
 13.2 bob on the air as leader of term 2
 13.3 alice off the air
 13.3 alice - (leader None, term 1)
 60.0 alice - (leader None, term 2)
 60.0 alice - (leader bob, term 2)
""",
            id="parted-three",
        ),
        pytest.param(
            (ALICE, BOB, CAROL),
            agents_restart,
            """
  2.0 alice - (leader None, term 1)
  2.0 alice caretaker (leader alice, term 1)
  2.0 bob - (leader None, term 1)
  2.0 carol - (leader None, term 1)
  2.0 bob - (leader alice, term 1)
  2.0 carol - (leader alice, term 1)
  2.0 alice leader (leader alice, term 1)
""",
            id="agents_restart-three",
        ),
        pytest.param(
            (ALICE, BOB, CAROL),
            icecast_restarts,
            """
  3.2 alice off the air
  3.2 alice on the air as leader of term 1
""",
            id="icecast_restarts-three",
        ),
        pytest.param(
            (ALICE, BOB, CAROL),
            one_way,
            "",
            id="one_way-three",
        ),
        pytest.param(
            (ALICE, BOB),
            flapping,
            """
  1.8 alice caretaker (leader alice, term 1)
  2.0 alice leader (leader alice, term 1)
  5.8 alice caretaker (leader alice, term 1)
  6.0 alice leader (leader alice, term 1)
""",
            id="flapping-two",
        ),
        pytest.param(
            (ALICE, BOB, CAROL),
            hand_over,
            """
  0.0 carol - (leader alice, term 2)
  0.0 bob - (leader alice, term 2)
  0.0 alice caretaker (leader alice, term 2)
  0.0 carol leader (leader carol, term 2)
  0.0 alice - (leader carol, term 2)
  0.0 alice off the air
  0.0 bob - (leader carol, term 2)
  0.4 carol on the air as leader of term 2
""",
            id="hand_over-three",
        ),
        pytest.param(
            (ALICE, BOB, CAROL),
            unable,
            """
  2.0 bob - (leader alice, term 2)
  2.0 alice caretaker (leader alice, term 2)
  2.0 carol - (leader bob, term 2)
  2.0 bob leader (leader bob, term 2)
  2.1 alice - (leader bob, term 2)
  2.1 alice off the air
  2.4 bob on the air as leader of term 2
""",
            id="unable-three",
        ),
        pytest.param(
            (ALICE, BOB, CAROL),
            paused,
            """
  2.0 bob - (leader alice, term 2)
  2.0 carol - (leader bob, term 2)
  2.0 bob leader (leader bob, term 2)
  2.3 bob kills the source of alice
  2.7 bob on the air as leader of term 2
 30.0 alice off the air
 30.0 alice - (leader None, term 1)
 30.0 alice - (leader bob, term 2)
""",
            id="paused-three",
        ),
        pytest.param(
            (ALICE, BOB, CAROL),
            one_sleeps_through_icecasts_restart,
            """
  5.4 alice off the air
  6.2 alice on the air as leader of term 1
""",
            id="one_sleeps_through_icecasts_restart-three",
        ),
        pytest.param(
            (ALICE, BOB, CAROL),
            successors_heard_of_different_standbys,
            """
  2.0 bob - (leader None, term 1)
  2.0 carol - (leader None, term 1)
  2.0 carol - (leader alice, term 1)
  2.7 alice off the air
  5.0 bob - (leader None, term 2)
  5.0 carol - (leader bob, term 2)
  5.0 bob leader (leader bob, term 2)
  5.4 bob on the air as leader of term 2
""",
            id="successors_heard_of_different_standbys-three",
        ),
    ],
)
def test_history(
    names: tuple[HostName, ...], fault: Callable[[World], None], golden: str
) -> None:
    world = jam(*names)
    fault(world)
    world.run(world.now + 30.0)
    assert transcript(world) == golden.strip("\n")
