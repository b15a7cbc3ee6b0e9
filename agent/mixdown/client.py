"""The mix-down as a JACK client: its ports, its callbacks, and one order after another.

Two threads meet here. JACK's runs `_process` and owns the *stage* in force; the control
thread (the event loop's) builds the next stage and leaves it in `_pending`, where
JACK's thread finds it at the start of a period and takes over. That one assignment is
the whole exchange: no lock, and a stage is never changed by the thread that does not
own it. Ports leave only after the stage that used them has.

Nothing in `_process` allocates arrays, waits, or calls JACK for more than a port's
buffer.
"""

import gc
import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

import jack

from agent.mixdown.bank import Bank
from agent.mixdown.times import CallbackTimes
from sessiond.core.levelhistory import LevelHistory
from sessiond.core.mixmatrix import (
    FADE,
    FADE_IN,
    MixOrder,
    MixReport,
    hushed,
    next_order,
    port_names,
)
from sessiond.errors import Unavailable
from sessiond.units import Frames, Hertz, Seconds

# A sample in JACK is a float.
_SAMPLE_BYTES: Final = 4

# Python hands its lock from thread to thread after 5 ms, two periods of 128 frames;
# JACK's thread, which lets go of the lock around each call of libjack, can't wait that
# long for the control thread's turn to end.
_SWITCH_SECONDS: Final = 0.00001

# JACK-Client's own get_buffer() asks for the period and makes a Python buffer each
# time: with 72 ports that is 40 µs of a period of 2.7 ms, half of the whole callback.
_get_buffer: Final = jack._lib.jack_port_get_buffer  # noqa: SLF001
_move: Final = jack._ffi.memmove  # noqa: SLF001
_view: Final = jack._ffi.from_buffer  # noqa: SLF001


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A bank with the ports that fill and empty it, laid out to be run over in C.

    Attributes:
        ins: JACK's ports, one for each row of the bank's x.
        outs: JACK's ports, one for each row of the bank's y.
        x: The rows of the bank's x as C sees them.
        y: The rows of the bank's y likewise.
        frames: The period, over and over.
        size: The bytes of a period, over and over.
    """

    bank: Bank
    ins: tuple[Any, ...]
    outs: tuple[Any, ...]
    x: tuple[Any, ...]
    y: tuple[Any, ...]
    frames: Iterator[int]
    size: Iterator[int]


class MixDown:
    """A JACK client whose buses follow the newest order.

    Args:
        name: The client's name; another client of that name is an error.
        server: JACK's server; None means JACK's own default.
        ring: Called on any thread whenever `turn` has something to do.
        gone: Called on any thread, once, with a sentence, when JACK has left us.

    Raises:
        Unavailable: No server answers, or the name is taken.
    """

    def __init__(
        self,
        name: str,
        server: str | None,
        *,
        ring: Callable[[], None],
        gone: Callable[[str], None],
    ) -> None:
        self._client = _open(name, server)
        self._ring, self._gone = ring, gone
        self._ports: dict[str, jack.OwnPort] = {}
        self._rate = Hertz(self._client.samplerate)
        self._period = Frames(self._client.blocksize)
        self._wanted = MixOrder()
        self._hushed: set[str] = set()
        self._stage = self._build(self._wanted, before=None)
        self._pending: Stage | None = None
        self._times, self._xruns = CallbackTimes(), 0
        # Runs through an iterator in C and keeps nothing of it.
        self._run = deque[object](maxlen=0).extend
        self._client.set_process_callback(self._process)
        self._client.set_blocksize_callback(self._period_changed)
        self._client.set_xrun_callback(self._xrun)
        self._client.set_shutdown_callback(self._shut_down)

    def start(self) -> None:
        """Let JACK call us from now on, and arrange for its thread never to wait long.

        Raises:
            Unavailable: JACK refuses.
        """
        gc.collect()
        gc.freeze()
        gc.disable()
        sys.setswitchinterval(_SWITCH_SECONDS)
        # NumPy warns of infinities, which the bank deals with, by way of stderr.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            self._client.activate()
        except jack.JackError as e:
            raise Unavailable(f"JACK does not start the mix-down: {e}") from e
        if self._client.realtime:
            # Whoever holds Python's lock must not be put aside by some other program
            # while JACK's thread waits for it: the lowest real-time priority suffices.
            # Not being allowed to is not worth a word; JACK itself said so already.
            with suppress(PermissionError):
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))

    def close(self) -> None:
        """Leave JACK; also after JACK has left us."""
        self._client.deactivate()
        self._client.close()

    @property
    def periods(self) -> int:
        """Callbacks so far; stands still when JACK no longer calls us."""
        return self._times.count

    @property
    def settled(self) -> bool:
        """The newest order is in force and nothing fades."""
        return (
            self._pending is None
            and not self._hushed
            and self._stage.bank.settled
            and self._stage.bank.order == self._wanted
            and self._stage.bank.frames == self._period
        )

    def want(self, order: MixOrder) -> None:
        """Go to this order, and have its ports when this returns.

        Raises:
            Unavailable: JACK gives no more ports; the order before it stays.
        """
        made: list[str] = []
        try:
            for names, kind in (
                (order.strips, self._client.inports),
                (order.buses, self._client.outports),
            ):
                for name in _ports_of(names):
                    if name not in self._ports:
                        self._ports[name] = kind.register(name)
                        made.append(name)
        except jack.JackError as e:
            self._unregister(made)
            raise Unavailable(f"JACK gives no more ports: {e}") from e
        self._wanted = order
        self._ring()

    def fade_in(self, bus: str) -> None:
        """Silence a bus, and let it rise from there within `FADE_IN`."""
        self._hushed.add(bus)
        self._ring()

    def turn(self) -> None:
        """Do the next thing on the way to the newest order; the control thread's."""
        if self._pending is not None:
            return
        bank = self._stage.bank
        wanted = hushed(self._wanted, self._hushed)
        following = next_order(bank.order, wanted, settled=bank.settled)
        if following != bank.order or bank.frames != self._period:
            self._pending = self._build(following, before=bank)
        elif self._hushed and bank.settled:
            self._hushed.clear()
            self._pending = self._build(self._wanted, before=bank, within=FADE_IN)
        else:
            keep = {*_ports_of(bank.order.strips), *_ports_of(bank.order.buses)}
            keep |= {*_ports_of(self._wanted.strips), *_ports_of(self._wanted.buses)}
            self._unregister([name for name in self._ports if name not in keep])

    def report(self) -> MixReport:
        """Return what is in force and what was measured."""
        bank = self._stage.bank
        strips, buses = bank.levels()
        return MixReport(
            order=bank.order,
            settled=self.settled,
            strips=strips,
            buses=buses,
            rate_hz=self._rate,
            period_frames=bank.frames,
            callbacks=self._times.count,
            xruns=self._xruns,
            callback_p50_us=self._times.quantile_us(0.50),
            callback_p99_us=self._times.quantile_us(0.99),
            callback_max_us=self._times.max_us,
        )

    def history(self) -> LevelHistory:
        """Return how loud the buses were in the last seconds."""
        return self._stage.bank.history()

    def forget(self) -> None:
        """Count callbacks and xruns anew."""
        self._times, self._xruns = CallbackTimes(), 0

    def _build(
        self, order: MixOrder, before: Bank | None, within: Seconds = FADE
    ) -> Stage:
        bank = Bank(order, self._rate, self._period, before, within)
        return Stage(
            bank=bank,
            ins=self._pointers(order.strips),
            outs=self._pointers(order.buses),
            x=tuple(_view(row) for row in bank.x),
            y=tuple(_view(row) for row in bank.y),
            frames=repeat(bank.frames),
            size=repeat(bank.frames * _SAMPLE_BYTES),
        )

    def _pointers(self, names: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(self._ports[name]._ptr for name in _ports_of(names))  # noqa: SLF001

    def _unregister(self, names: list[str]) -> None:
        for name in names:
            port = self._ports.pop(name)
            with suppress(jack.JackError):  # JACK is gone, and the port with it
                port.unregister()

    # What follows runs on JACK's threads.

    def _process(self, frames: int) -> None:
        began = time.perf_counter_ns()
        pending = self._pending
        if pending is not None:
            pending.bank.take_over(self._stage.bank)
            self._stage = pending
            self._pending = None
        stage = self._stage
        if stage.bank.frames != frames:
            # The period has just changed; the next stage is on its way.
            _silence(stage, frames)
            return
        self._run(map(_move, stage.x, _buffers(stage.ins, stage), stage.size))
        stage.bank.mix()
        self._run(map(_move, _buffers(stage.outs, stage), stage.y, stage.size))
        self._times.note(time.perf_counter_ns() - began)

    def _period_changed(self, frames: int) -> None:
        self._period = Frames(frames)
        self._ring()

    def _xrun(self, _delayed_us: float) -> None:
        self._xruns += 1

    def _shut_down(self, _status: object, reason: str) -> None:
        self._gone(f"JACK has ended: {reason or 'no reason given'}")


def _open(name: str, server: str | None) -> jack.Client:
    # What libjack prints on its own is many lines for one fact; ours is the sentence.
    jack.set_error_function(_no_word)
    jack.set_info_function(_no_word)
    where = f"JACK server {server!r}" if server else "JACK's default server"
    try:
        client = jack.Client(name, no_start_server=True, servername=server)
    except jack.JackOpenError as e:
        raise Unavailable(f"{where} does not answer") from e
    # Not use_exact_name: its refusal can't be told from a server that is absent.
    if client.name != name:
        client.close()
        raise Unavailable(f"{where} already has a client named {name}")
    return client


def _no_word(_message: str) -> None:
    """Say nothing."""


def _ports_of(names: tuple[str, ...]) -> list[str]:
    return [port for name in names for port in port_names(name)]


def _buffers(ports: tuple[Any, ...], stage: Stage) -> Iterator[Any]:
    return map(_get_buffer, ports, stage.frames)


def _silence(stage: Stage, frames: int) -> None:
    size = frames * _SAMPLE_BYTES
    for port in stage.outs:
        _move(_get_buffer(port, frames), bytes(size), size)
