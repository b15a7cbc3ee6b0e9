"""A day of one session, hour by hour with a fault in each: nothing grows."""

from collections.abc import Callable
from functools import partial

import pytest

from sessiond.core import election as el
from sessiond.core.spec import NetworkProfile
from sessiond.units import HostName
from tests.sim.documents import document, edited
from tests.sim.net import ICECAST
from tests.sim.peace import unsettled
from tests.sim.world import World
from tests.support.weigh import weight

DUO = (HostName("alice"), HostName("bob"))
HOUR = 3600.0
DAY = 24
# From the second hour on everybody has known everything once.
WARM = 4
# Numbers above 256 are objects of their own; some are None at times.
A_FEW = 10


def faults(world: World) -> tuple[Callable[[], None], ...]:
    """Return what goes wrong in an hour; each is mended by the next minute."""
    alice, bob = DUO
    return (
        partial(world.kill, alice, "agent"),
        partial(world.kill, bob, "all"),
        partial(world.separate, alice, bob),
        partial(world.separate, bob, ICECAST),
        world.icecast_dies,
    )


def mend(world: World) -> None:
    """Undo whatever the last hour's fault was."""
    alice, bob = DUO
    for host in world.hosts.values():
        if host.state is None:
            world.boot(host.name)
    for one, other in ((alice, bob), (alice, ICECAST), (bob, ICECAST)):
        world.heal(one, other)
    world.icecast_starts()
    world.run(world.now + 60)


@pytest.mark.timeout(120)
def test_a_day_of_a_session_weighs_no_more_than_its_first_hours() -> None:
    world = World(seed=3, names=DUO, quiet=True)
    first = document(DUO, network=NetworkProfile.WIFI)
    world.create(DUO[0], first)
    world.run(60)
    weights = []
    for hour in range(DAY):
        leader = next(h.name for h in world.living() if world.lead(h.name).right)
        stored = world.hosts[leader].disk.stamped
        assert stored is not None
        world.request(leader, hour, edited(stored, hour))
        world.run(world.now + HOUR)
        faults(world)[hour % 5]()
        world.run(world.now + 60)
        mend(world)
        assert unsettled(world) is None
        weights.append(max(weight(host.state, host.disk) for host in world.living()))
    assert max(weights[WARM:]) <= max(weights[:WARM]) + A_FEW, weights
    assert len(world.conflicts) < DAY
    assert isinstance(world.hosts[DUO[0]].state, el.ElectionState)
