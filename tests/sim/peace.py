"""What must hold once all faults have stopped: invariants 5 and 6."""

from sessiond.core import election as el
from sessiond.core.election.state import Leading
from sessiond.core.stamped import StampedSpec
from sessiond.units import HostName
from tests.sim.air import ASKED_WITHIN
from tests.sim.net import BreachError, Host
from tests.sim.station import SOURCE_TIMEOUT
from tests.sim.world import World

# How long after the last fault all must be well: an orphaned source may play on for
# the adoption grace, a silent one holds its mount for the source-timeout where nobody
# may kill it; then the ten seconds of invariant 5.
CALM = SOURCE_TIMEOUT + 10.0
STAYS = 5.0
ASK_EVERY = 0.5


def judge(world: World, *, mounts: bool = True, patience: float = CALM) -> float:
    """Return how long a world in peace took to settle.

    Raises:
        BreachError: It did not, or not for good.
    """
    began = world.now
    world.run(began + ASK_EVERY)
    if not any(
        (stored := host.disk.stamped) is not None and stored.member(host.name)
        for host in world.living()
    ):
        return 0.0
    while (problem := unsettled(world, mounts=mounts)) is not None:
        if world.now - began >= patience:
            raise problem
        world.run(world.now + ASK_EVERY)
    settled = world.now - began
    held = world.holder
    world.run(world.now + STAYS)
    if mounts and world.holder is not held:
        raise BreachError(5, "the broadcaster did not stay")
    problem = unsettled(world, mounts=mounts)
    if problem is not None:
        raise problem
    return settled


def unsettled(world: World, *, mounts: bool = True) -> BreachError | None:
    """Return what is not yet as it must be in peace."""
    try:
        if mounts:
            check_on_air(world)
        check_documents(world, mounts=mounts)
    except BreachError as e:
        return e
    return None


def check_on_air(world: World) -> None:
    """Exactly one broadcaster, known as such by every living member."""
    if world.now - world.asked_at < ASKED_WITHIN:
        raise BreachError(5, "a hand-over is under way")
    if world.holder is None or world.holder.stuck:
        raise BreachError(5, "nobody broadcasts")
    streams = [h.name for h in world.hosts.values() if h.stream is not None]
    if len(streams) != 1:
        raise BreachError(5, f"sources run on {streams}")
    for host in members(world):
        if host.state is not None:
            check_view(world, host, host.state, streams[0])


def check_view(
    world: World, host: Host, state: el.ElectionState, broadcaster: HostName
) -> None:
    """Hold a host's view of things against what is."""
    lead = el.leadership(state, world.clock(host))
    if lead.broadcaster != broadcaster:
        raise BreachError(5, f"{host.name} takes {lead.broadcaster} for it")
    if isinstance(state.mode, Leading) and state.mode.handover is not None:
        raise BreachError(5, f"{host.name} hands over")
    if majority_lives(world) and lead.leader != broadcaster:
        raise BreachError(5, f"{lead.leader} leads, {broadcaster} broadcasts")


def newest(world: World) -> StampedSpec:
    """Return the newest document of a living host that belongs to its session.

    Who was dropped from it says no more, and may be the only one that knows.
    """
    documents = [
        stored
        for host in world.living()
        if (stored := host.disk.stamped) is not None and stored.member(host.name)
    ]
    return max(documents, key=lambda document: document.stamp)


def members(world: World) -> list[Host]:
    """Return the living members."""
    document = newest(world)
    return [h for h in world.living() if document.member(h.name) is not None]


def majority_lives(world: World) -> bool:
    """Return whether a majority of the voters lives."""
    voters = newest(world).voters
    alive = sum(host.name in voters for host in world.living())
    return alive > len(voters) // 2


def check_documents(world: World, *, mounts: bool) -> None:
    """Everyone has the newest document, with every confirmed change in it."""
    document = newest(world)
    for host in members(world):
        stored = host.disk.stamped
        if stored is not document and stored != document:
            stamp = None if stored is None else stored.stamp
            raise BreachError(6, f"{host.name} has {stamp}, not {document.stamp}")
    if not mounts or not majority_lives(world):
        return
    written = document.spec.mounts[0].description
    for change in sorted(world.confirmed):
        if f"<{change}>" not in written:
            raise BreachError(6, f"change {change} is lost, {document.stamp} has not")
