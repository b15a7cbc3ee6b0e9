"""One JACK server's graph, through a client without ports or a process callback.

JACK's callbacks come on a thread of its own, where no call to the server is allowed:
they mark what we know as stale and ring the bell. A graph is read again only then, so
looking at a quiet server costs nothing.

Any call can hang while jackd does (it is stopped, or starved), so each runs bounded.
One that did not end in time takes its client with it; the server counts as absent
until that call has ended, and then is joined anew.

A server makes a wire in its next period, and libjack waits for little more than one
before it shows the graph without it. So what we did ourselves is taken as done until
the server shows it, or has had time enough.

To close a client, libjack cancels its thread. A thread that is cancelled in a callback,
where it waits for Python's lock, takes that lock along, and everything stands still. So
a client is closed only once no callback can be under way (`_part`).
"""

import asyncio
import errno
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from types import ModuleType
from typing import Any, Final, TypeVar

from agent.adapters import bounded
from agent.doors import Bell
from sessiond.core.jackgraph import JackGraph, Wire
from sessiond.errors import Broken, Unavailable
from sessiond.units import Frames, Hertz, PortName, Seconds

T = TypeVar("T")

# A call takes up to a period or two (43 ms at 2048 frames); jackd gives up on its
# own clients after some seconds.
CALL_WITHIN: Final = Seconds(2.0)
# Nobody tells us that a server has come; an attempt to join an absent one costs 4 ms.
JOIN_EVERY: Final = Seconds(1.0)
# How long our own changes count as done: ten periods of 2048 frames at 44.1 kHz.
DONE_FOR: Final = Seconds(0.5)
# A refusal's end is told by JACK; should that be lost, a try costs next to nothing.
REFUSED_FOR: Final = Seconds(5.0)
# A port can go between a question for all names and one for a port; thrice running
# is a client that opens and closes ports for ever.
READ_ATTEMPTS: Final = 3
# Within this a callback gets Python's lock and returns: fifty times its usual turn.
QUIET_AFTER: Final = Seconds(0.25)


@cache  # a second error function would free the first under JACK's feet
def _library() -> ModuleType:
    """Return JACK-Client with its chatter silenced.

    Raises:
        Broken: There is no libjack on this computer.
    """
    try:
        import jack  # noqa: PLC0415  importing it opens libjack, which may be missing
    except OSError as e:
        raise Broken(
            "JACK's library is missing", "sudo apt install libjack-jackd2-0"
        ) from e
    jack.set_error_function(lambda _: None)
    jack.set_info_function(lambda _: None)
    library: ModuleType = jack
    return library


@dataclass(slots=True)
class _News:
    """What JACK's threads leave for us; each field is written in one go."""

    bell: Bell
    stale: bool = True
    gone: bool = False
    registered: bool = False
    xruns: int = 0

    def changed(self, *_: object) -> None:
        self.stale = True
        self.bell()

    def appeared(self, *_: object) -> None:
        # JACK tells of a client's ports once more when it begins to take part.
        self.registered = True
        self.changed()

    def lost(self, *_: object) -> None:
        self.gone = True
        self.bell()

    def late(self, _: float) -> None:
        self.xruns += 1


@dataclass(slots=True)
class _Changes:
    """Wires that we made (True) or cut, which the server may not show yet."""

    until: dict[Wire, tuple[bool, float]] = field(default_factory=dict)

    def note(self, wire: Wire, now: float, *, made: bool) -> None:
        self.until[wire] = made, now + DONE_FOR

    def applied(self, graph: JackGraph, now: float) -> JackGraph:
        """Return the graph with our changes; forget those that it shows."""
        self.until = {
            wire: (made, until)
            for wire, (made, until) in self.until.items()
            if until > now
            and made != (wire in graph.wires)
            and {wire.source, wire.destination} <= graph.ports
        }
        made = {wire for wire, (is_made, _) in self.until.items() if is_made}
        return replace(graph, wires=graph.wires - self.until.keys() | made)


@dataclass(slots=True)
class _Joined:
    """A client of a server that was alive when we last looked.

    JACK-Client's types are unknown to the checker, hence Any.
    """

    client: Any
    news: _News
    changes: _Changes = field(default_factory=_Changes)
    graph: JackGraph = field(
        default_factory=lambda: JackGraph(rate_hz=Hertz(0), period_frames=Frames(0))
    )
    refused: dict[Wire, float] = field(default_factory=dict)

    def part(self) -> None:
        """Leave the server; blocks."""
        if self.news.gone:
            # The very callback that said so may not have returned.
            time.sleep(QUIET_AFTER)
        _part(self.client)

    def still_refused(self, now: float) -> frozenset[Wire]:
        """Return the wires that are not worth another try yet."""
        if self.news.registered:
            self.news.registered = False
            self.refused.clear()
        self.refused = {w: until for w, until in self.refused.items() if until > now}
        return frozenset(self.refused)


class JackDoor:
    """The graph of one JACK server (door `Jack`).

    Args:
        server_name: As jackd's ``--name``; ``default`` is JACK's default.
        bell: Rung, on any thread, when the graph changed or the server went; and each
            second while there is none, or while it has yet to do what we asked for.
        client_name: How we show in JACK; the default is like no server's name, as two
            of one name break both.
    """

    def __init__(self, server_name: str, bell: Bell, client_name: str = "") -> None:
        self._server = server_name
        self._name = client_name or f"sessiond-agent-{os.getpid()}"
        self._bell = bell
        self._lock = asyncio.Lock()
        self._joined: _Joined | None = None
        self._stuck: Future[Any] | None = None
        self._retry: asyncio.TimerHandle | None = None

    async def look(self) -> JackGraph | None:
        """Return the graph, joining the server when needed; None without one.

        Raises:
            Broken: There is no libjack on this computer.
        """
        async with self._lock:
            graph = await self._look()
            if graph is None:
                self._try_again_later()
            return graph

    async def connect(self, wire: Wire) -> None:
        """Make a wire; one that is there already is fine.

        Raises:
            Unavailable: A port or the server has gone.
        """
        jack = _library()
        async with self._lock:
            joined = await self._member_or_raise()
            joined.news.stale = True
            try:
                await self._ask(
                    joined,
                    lambda: joined.client.connect(wire.source, wire.destination),
                )
            except jack.JackErrorCode as e:
                if e.code != errno.EEXIST:
                    joined.refused[wire] = _now() + REFUSED_FOR
                    raise Unavailable(
                        f"{wire.source} can't be wired to {wire.destination}",
                        "one of these JACK ports has gone, or is no audio port",
                    ) from e
            joined.changes.note(wire, _now(), made=True)

    async def disconnect(self, wire: Wire) -> None:
        """Take a wire away; one that is gone already is fine.

        Raises:
            Unavailable: The server has gone, or keeps the wire.
        """
        jack = _library()
        async with self._lock:
            joined = await self._member_or_raise()
            joined.news.stale = True
            try:
                await self._ask(
                    joined,
                    lambda: joined.client.disconnect(wire.source, wire.destination),
                )
            except jack.JackErrorCode as e:
                # JACK answers −1 for every reason, the harmless one included.
                graph = await self._read(joined)
                if graph is None or wire in joined.changes.applied(graph, _now()).wires:
                    raise Unavailable(
                        f"{wire.source} can't be parted from {wire.destination}"
                    ) from e
            joined.changes.note(wire, _now(), made=False)

    async def close(self) -> None:
        """Leave the server."""
        async with self._lock:
            if self._retry is not None:
                self._retry.cancel()
                self._retry = None
            await self._leave()

    async def _look(self) -> JackGraph | None:
        joined = await self._member()
        if joined is None:
            return None
        if joined.news.stale:
            joined.news.stale = False
            graph = await self._read(joined)
            if graph is None:
                joined.news.stale = True
                return None
            joined.graph = joined.changes.applied(graph, _now())
            if joined.changes.until:
                joined.news.stale = True
                self._try_again_later()
        return replace(
            joined.graph,
            refused=joined.still_refused(_now()),
            xruns=joined.news.xruns,
            dsp_load=joined.client.cpu_load() / 100,
            frame=joined.client.last_frame_time,
        )

    async def _read(self, joined: _Joined) -> JackGraph | None:
        """Return the graph; None when the server has gone or does not answer."""
        jack = _library()
        for _ in range(READ_ATTEMPTS):
            if joined.news.gone:
                return None
            try:
                return await self._ask(joined, lambda: _read(joined.client))
            except jack.JackError:
                continue  # a port went while we read
            except Unavailable:
                return None
        return None

    async def _member_or_raise(self) -> _Joined:
        joined = await self._member()
        if joined is None:
            raise Unavailable(
                f"the JACK server {self._server} can't be reached",
                "start it, or look at [audio] in agent.toml",
            )
        return joined

    async def _member(self) -> _Joined | None:
        """Return our client of a living server, a new one if need be."""
        if self._joined is not None and self._joined.news.gone:
            await self._leave()
        if self._joined is None and (self._stuck is None or self._stuck.done()):
            self._stuck = None
            self._joined = await self._join()
        return self._joined

    async def _join(self) -> _Joined | None:
        jack = _library()
        news = _News(self._bell)
        try:
            client = await self._bounded(lambda: self._open(jack, news), _close_late)
        except (jack.JackError, Unavailable):
            return None
        return _Joined(client=client, news=news)

    def _open(self, jack: ModuleType, news: _News) -> Any:  # noqa: ANN401  as `_Joined`
        client = jack.Client(self._name, no_start_server=True, servername=self._server)
        client.set_shutdown_callback(news.lost)
        client.set_xrun_callback(news.late)
        client.set_graph_order_callback(news.changed)
        client.set_port_registration_callback(news.appeared, only_available=False)
        client.set_port_connect_callback(news.changed, only_available=False)
        client.set_port_rename_callback(news.changed, only_available=False)
        client.set_blocksize_callback(news.changed)
        client.set_samplerate_callback(news.changed)
        try:
            client.activate()
        except jack.JackError:
            client.close()
            raise
        return client

    async def _leave(self) -> None:
        joined, self._joined = self._joined, None
        if joined is not None:
            with suppress(Unavailable):  # then it goes on closing by itself
                await self._bounded(joined.part, lambda _: None)

    async def _ask(self, joined: _Joined, call: Callable[[], T]) -> T:
        """Run a call on our client; without an answer in time, give the client up."""
        return await self._bounded(call, lambda _: joined.part())

    async def _bounded(
        self, call: Callable[[], T], afterwards: Callable[[Future[T]], None]
    ) -> T:
        """Run a call of libjack in a thread.

        Args:
            call: What may hang.
            afterwards: Cleans up in that thread, should the call end too late.

        Raises:
            Unavailable: It did not end in time.
        """
        future = bounded.begin(call, "jack")
        try:
            return await bounded.wait(future, CALL_WITHIN)
        except TimeoutError as e:
            raise Unavailable(
                f"the JACK server {self._server} does not answer",
                "it may be stopped or starved; restart it",
            ) from e
        finally:
            # Out of time, or nobody wants the answer any more.
            if not future.done():
                self._joined, self._stuck = None, future
                future.add_done_callback(afterwards)

    def _try_again_later(self) -> None:
        if self._retry is None:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(JOIN_EVERY, self._ring_again)

    def _ring_again(self) -> None:
        self._retry = None
        self._bell()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _close_late(opened: Future[Any]) -> None:
    if opened.exception() is None:
        _part(opened.result())


def _part(client: Any) -> None:  # noqa: ANN401  as `_Joined`
    """Close a client once its last callback has returned; blocks."""
    client.deactivate(ignore_errors=True)
    time.sleep(QUIET_AFTER)
    client.close()


def _read(client: Any) -> JackGraph:  # noqa: ANN401  as `_Joined`
    """Return the graph; it blocks while the server changes it, at most a period."""
    ports = frozenset(PortName(p.name) for p in client.get_ports(is_audio=True))
    wires = frozenset(
        Wire(PortName(source.name), PortName(destination.name))
        for source in client.get_ports(is_audio=True, is_output=True)
        for destination in client.get_all_connections(source)
    )
    return JackGraph(
        rate_hz=Hertz(client.samplerate),
        period_frames=Frames(client.blocksize),
        ports=ports,
        # A port may have gone between the two questions; then we are asked again.
        wires=frozenset(
            w for w in wires if w.source in ports and w.destination in ports
        ),
    )
