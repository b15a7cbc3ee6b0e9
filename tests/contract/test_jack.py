"""The contract of the door `Jack`, on the fake and on a real jackd."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import jack as jackclient
import pytest

from agent.adapters.jack_graph import DONE_FOR, JackDoor, _Changes
from agent.doors import Jack
from sessiond.core.jackgraph import JackGraph, Wire
from sessiond.errors import Unavailable
from sessiond.units import Frames, Hertz, PortName
from tests.contract.conftest import Jackd, Rings, descriptors, threads
from tests.support.eventually import aeventually, asteadily
from tests.support.fakes import FakeJack, FakeJackServer

WIRE = Wire(PortName("system:capture_1"), PortName("system:playback_1"))
SOUND_CARD = {
    "system:capture_1",
    "system:capture_2",
    "system:playback_1",
    "system:playback_2",
}


class Server(Protocol):
    """What a test may do to a JACK server, fake or real."""

    def start(self) -> None: ...

    def kill(self) -> None: ...

    def add_port(self, port: str, *, is_output: bool) -> None: ...

    def remove_port(self, port: str) -> None: ...

    def set_period(self, period_frames: int) -> None: ...


class RealServer:
    """A jackd, and a client in this process whose ports come and go."""

    def __init__(self, jackd: Jackd) -> None:
        self.jackd = jackd
        self._clients: dict[str, Any] = {}

    def start(self) -> None:
        self.jackd.start()

    def kill(self) -> None:
        self.jackd.kill()
        self.close()

    def add_port(self, port: str, *, is_output: bool) -> None:
        client, _, name = port.partition(":")
        ports = self._client(client)
        (ports.outports if is_output else ports.inports).register(name)

    def remove_port(self, port: str) -> None:
        client = self._client(port.partition(":")[0])
        client.get_port_by_name(port).unregister()

    def set_period(self, period_frames: int) -> None:
        self._client("other").blocksize = period_frames

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _client(self, name: str) -> Any:  # noqa: ANN401  JACK-Client has no types
        if name not in self._clients:
            client = jackclient.Client(
                name, no_start_server=True, servername=self.jackd.name
            )
            client.activate()
            self._clients[name] = client
        return self._clients[name]


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    if request.param == "fake":
        yield FakeJackServer()
        return
    real = RealServer(request.getfixturevalue("jackd"))
    yield real
    real.close()


@pytest.fixture
async def jack(server: Server, rings: Rings) -> AsyncIterator[Jack]:
    before = descriptors()
    door: Jack
    if isinstance(server, FakeJackServer):
        door = FakeJack(server, rings)
    else:
        assert isinstance(server, RealServer)
        door = JackDoor(server.jackd.name, rings)
    yield door
    await door.close()
    if isinstance(server, RealServer):
        server.close()
    assert descriptors() <= before, "a descriptor leaked"
    await holds(lambda: "jack" not in threads(), within=2)


async def holds(look: Callable[[], bool | Awaitable[bool]], within: float) -> None:
    await aeventually(look, within=within)


async def there(door: Jack) -> JackGraph:
    """Wait for the server; return its first graph."""
    graphs: list[JackGraph] = []

    async def look() -> bool:
        graph = await door.look()
        if graph is not None:
            graphs.append(graph)
        return graph is not None

    await holds(look, within=5)
    return graphs[-1]


async def graph_has(door: Jack, *, port: str) -> bool:
    graph = await door.look()
    return graph is not None and port in graph.ports


async def wires(door: Jack) -> frozenset[Wire]:
    graph = await door.look()
    assert graph is not None
    return graph.wires


async def test_without_a_server_there_is_no_graph(jack: Jack) -> None:
    assert await jack.look() is None
    with pytest.raises(Unavailable, match="can't be reached"):
        await jack.connect(WIRE)
    with pytest.raises(Unavailable, match="can't be reached"):
        await jack.disconnect(WIRE)


async def test_a_server_shows_rate_period_and_ports(jack: Jack, server: Server) -> None:
    server.start()
    graph = await there(jack)
    assert (graph.rate_hz, graph.period_frames) == (48000, 256)
    assert graph.ports == SOUND_CARD
    assert graph.wires == frozenset()
    assert 0 <= graph.dsp_load <= 1


async def test_a_wire_is_made_and_seen_at_once(jack: Jack, server: Server) -> None:
    server.start()
    await there(jack)
    for _ in range(5):
        await jack.connect(WIRE)
        assert await wires(jack) == {WIRE}
        await jack.disconnect(WIRE)
        assert await wires(jack) == frozenset()


async def test_doing_it_twice_is_fine(jack: Jack, server: Server) -> None:
    server.start()
    await there(jack)
    await jack.connect(WIRE)
    await jack.connect(WIRE)
    assert await wires(jack) == {WIRE}
    await jack.disconnect(WIRE)
    await jack.disconnect(WIRE)
    assert await wires(jack) == frozenset()


async def test_an_absent_port_is_unavailable_to_connect_and_fine_to_disconnect(
    jack: Jack, server: Server
) -> None:
    server.start()
    await there(jack)
    absent = Wire(PortName("link-bob:receive_1"), PortName("system:playback_1"))
    with pytest.raises(Unavailable, match="link-bob:receive_1 can't be wired"):
        await jack.connect(absent)
    await jack.disconnect(absent)
    backwards = Wire(WIRE.destination, WIRE.source)
    with pytest.raises(Unavailable):
        await jack.connect(backwards)


async def test_ports_that_come_and_go_ring_and_show(
    jack: Jack, server: Server, rings: Rings
) -> None:
    server.start()
    await there(jack)
    rings.count = 0
    server.add_port("other:in", is_output=False)
    await aeventually(lambda: rings.count > 0, within=2)
    await holds(lambda: graph_has(jack, port="other:in"), within=2)
    wire = Wire(PortName("system:capture_2"), PortName("other:in"))
    await jack.connect(wire)
    rings.count = 0
    server.remove_port("other:in")
    await aeventually(lambda: rings.count > 0, within=2)

    async def gone() -> bool:
        graph = await jack.look()
        return graph is not None and "other:in" not in graph.ports

    await holds(gone, within=2)
    assert wire not in await wires(jack)


async def test_a_new_period_rings_and_shows(
    jack: Jack, server: Server, rings: Rings
) -> None:
    server.start()
    await there(jack)
    rings.count = 0
    server.set_period(512)
    await aeventually(lambda: rings.count > 0, within=2)
    graph = await jack.look()
    assert graph is not None
    assert graph.period_frames == 512


async def test_a_quiet_server_does_not_ring(
    jack: Jack, server: Server, rings: Rings
) -> None:
    server.start()
    first = await there(jack)
    await jack.connect(WIRE)
    await settled(rings)
    rings.count = 0
    graph = await jack.look()
    assert graph is not None
    assert graph.ports == first.ports
    assert graph.wires == {WIRE}
    assert rings.count == 0


async def settled(rings: Rings) -> None:
    """Wait until nothing has rung for 0.2 s."""
    quiet_since = [time.monotonic(), rings.count]

    def quiet() -> bool:
        if rings.count != quiet_since[1]:
            quiet_since[:] = [time.monotonic(), rings.count]
        return time.monotonic() - quiet_since[0] > 0.2

    await aeventually(quiet, within=5)


async def test_a_dead_server_rings_and_its_return_heals(
    jack: Jack, server: Server, rings: Rings
) -> None:
    server.start()
    await there(jack)
    await jack.connect(WIRE)
    await settled(rings)
    rings.count = 0
    server.kill()
    await aeventually(lambda: rings.count > 0, within=2)

    async def absent() -> bool:
        return await jack.look() is None

    await holds(absent, within=2)
    with pytest.raises(Unavailable):
        await jack.connect(WIRE)
    server.start()
    graph = await there(jack)
    assert graph.wires == frozenset()
    await jack.connect(WIRE)
    assert await wires(jack) == {WIRE}


# What only a real server shows.


@pytest.fixture
async def real_jack(jackd: Jackd, rings: Rings) -> AsyncIterator[JackDoor]:
    door = JackDoor(jackd.name, rings)
    yield door
    await door.close()


@pytest.mark.real
@pytest.mark.parametrize("turn", range(6))
def test_a_server_that_ends_takes_nobody_along(jackd: Jackd, turn: int) -> None:
    """Without the pause before libjack cancels its thread, one turn in ten hung."""
    jackd.start()
    loss = [sys.executable, "-m", "tests.support.jackloss", jackd.name]
    with subprocess.Popen(loss, stdout=subprocess.PIPE, text=True) as losing:
        assert losing.stdout is not None
        assert losing.stdout.readline() == "joined\n", turn
        jackd.kill(signal.SIGTERM)
        try:
            said, _ = losing.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            losing.kill()
            raise
    assert said == "parted\n"


@pytest.mark.real
async def test_an_absent_server_is_asked_for_each_second(
    real_jack: JackDoor, rings: Rings
) -> None:
    assert await real_jack.look() is None
    assert rings.count == 0
    await aeventually(lambda: rings.count == 1, within=1.5)


@pytest.mark.real
async def test_a_stopped_server_is_absent_until_it_goes_on(
    real_jack: JackDoor, jackd: Jackd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.adapters.jack_graph.CALL_WITHIN", 0.5)
    jackd.start()
    await there(real_jack)
    jackd.pause()
    with pytest.raises(Unavailable, match="does not answer"):
        await real_jack.connect(WIRE)
    begun = time.monotonic()
    assert await real_jack.look() is None
    with pytest.raises(Unavailable, match="can't be reached"):
        await real_jack.connect(WIRE)
    assert time.monotonic() - begun < 0.4, "one stuck call is enough"
    jackd.resume()
    graph = await there(real_jack)
    assert graph.ports == SOUND_CARD
    await aeventually(lambda: "jack" not in threads(), within=5)


@pytest.mark.real
async def test_a_look_that_nobody_waits_for_any_more_does_no_harm(
    real_jack: JackDoor, jackd: Jackd
) -> None:
    jackd.start()
    await there(real_jack)
    jackd.pause()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await real_jack.connect(WIRE)
    jackd.resume()
    await there(real_jack)


@pytest.mark.real
async def test_looking_at_a_quiet_server_costs_next_to_nothing(
    real_jack: JackDoor, jackd: Jackd, rings: Rings
) -> None:
    jackd.start()
    await there(real_jack)
    await settled(rings)
    await real_jack.look()
    before = time.process_time()
    for _ in range(1000):
        await real_jack.look()
    # A read of the graph takes 0.5 ms, a thread 0.1 ms: neither is in here.
    assert time.process_time() - before < 0.1


@pytest.mark.real
def test_a_computer_without_libjack_is_broken() -> None:
    program = """if True:
        import asyncio, ctypes.util
        ctypes.util.find_library = lambda name: None
        from agent.adapters.jack_graph import DONE_FOR, JackDoor, _Changes
        from sessiond.errors import Broken
        try:
            asyncio.run(JackDoor("default", print).look())
        except Broken as e:
            print(e.sentence, e.hint)
    """
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout == (
        "JACK's library is missing sudo apt install libjack-jackd2-0\n"
    )
    assert answer.stderr == ""


def graph_of(*wires: Wire) -> JackGraph:
    return JackGraph(
        rate_hz=Hertz(48000),
        period_frames=Frames(256),
        ports=frozenset(PortName(p) for p in SOUND_CARD),
        wires=frozenset(wires),
    )


OTHER_WIRE = Wire(PortName("system:capture_2"), PortName("system:playback_2"))


def test_what_we_did_counts_as_done_before_the_server_shows_it() -> None:
    changes = _Changes()
    changes.note(WIRE, 10.0, made=True)
    changes.note(OTHER_WIRE, 10.0, made=False)
    assert changes.applied(graph_of(OTHER_WIRE), 10.1).wires == {WIRE}
    assert changes.applied(graph_of(WIRE), 10.2).wires == {WIRE}
    assert not changes.until, "the server shows both"
    assert changes.applied(graph_of(OTHER_WIRE), 10.3).wires == {OTHER_WIRE}


def test_what_the_server_does_not_show_in_time_is_not_done() -> None:
    changes = _Changes()
    changes.note(WIRE, 10.0, made=True)
    assert changes.applied(graph_of(), 10.0 + DONE_FOR).wires == frozenset()


def test_a_wire_whose_port_has_gone_is_not_done() -> None:
    changes = _Changes()
    gone = Wire(PortName("link-bob:receive_1"), WIRE.destination)
    changes.note(gone, 10.0, made=True)
    assert changes.applied(graph_of(), 10.0).wires == frozenset()


@pytest.mark.real
async def test_a_client_that_takes_no_part_yet_is_refused_once_and_wired_when_it_does(
    jackd: Jackd, real_jack: JackDoor, rings: Rings
) -> None:
    ends = Wire(PortName("system:capture_1"), PortName("idle:in"))
    jackd.start()
    await holds(lambda: graph_has(real_jack, port="system:capture_1"), 5)
    with jackclient.Client("idle", servername=jackd.name) as idle:
        idle.deactivate()
        idle.inports.register("in")
        await holds(lambda: graph_has(real_jack, port="idle:in"), 5)
        with pytest.raises(Unavailable):
            await real_jack.connect(ends)
        assert (await there(real_jack)).refused == {ends}
        idle.activate()

        async def wanted_again() -> bool:
            return not (await there(real_jack)).refused

        await holds(wanted_again, 2)
        await real_jack.connect(ends)
        assert ends in (await there(real_jack)).wires


@pytest.mark.real
async def test_jacks_own_clock_goes_on_while_it_runs_and_stands_still_with_it(
    jackd: Jackd, real_jack: JackDoor
) -> None:
    jackd.start()
    first = (await there(real_jack)).frame

    async def goes_on() -> bool:
        return (await there(real_jack)).frame > first

    await holds(goes_on, 2)
    jackd.pause()
    stood = (await there(real_jack)).frame
    await asteadily(lambda: True, during=0.3)
    assert (await there(real_jack)).frame == stood
    jackd.resume()
