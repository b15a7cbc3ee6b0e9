"""A JACK server of the tests' own, with a sine that can be wired anywhere."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import jack
import numpy as np

from agent.adapters.jack_leftovers import drop_dead_metadata
from tests.support.eventually import aeventually

RATE_HZ = 48000
PERIOD_FRAMES = 512


@dataclass(slots=True, kw_only=True)
class Studio:
    """A running server and our client on it."""

    server: str
    client: jack.Client
    child: asyncio.subprocess.Process

    @property
    def ports(self) -> frozenset[str]:
        return frozenset(port.name for port in self.client.get_ports())

    async def play(self, listener: str, *, within: float = 5) -> None:
        """Wire the sine into both inputs of a client, as soon as they are there."""
        wanted = [f"{listener}:input_1", f"{listener}:input_2"]
        await aeventually(lambda: self.ports.issuperset(wanted), within=within)
        for port in wanted:
            await aeventually(partial(self._wired, port), within=within)

    def _wired(self, port: str) -> bool:
        """Wire the sine to a port; JACK refuses until the port's client is active."""
        with contextlib.suppress(jack.JackErrorCode):
            self.client.connect("sine:out", port)
        wired = self.client.get_all_connections(port)
        return any(each.name == "sine:out" for each in wired)


@contextlib.asynccontextmanager
async def studio(pitch_hz: float) -> AsyncIterator[Studio]:
    """Run a JACK server of an own name with a sine of this pitch at −10 dB."""
    name = f"tsrc{os.getpid()}"
    drop_dead_metadata()
    child = await asyncio.create_subprocess_exec(
        *("jackd", "--name", name, "--no-realtime", "-d", "dummy"),
        *("-r", str(RATE_HZ), "-p", str(PERIOD_FRAMES)),
        env={**os.environ, "JACK_NO_AUDIO_RESERVATION": "1"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        client = await aeventually(lambda: _join(name), within=15)
        assert client is not None
        sine(client, pitch_hz)
        yield Studio(server=name, client=client, child=child)
        client.deactivate()
        client.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        await child.wait()


def _join(server: str) -> jack.Client | None:
    try:
        return jack.Client("sine", servername=server, no_start_server=True)
    except jack.JackOpenError:
        return None


def sine(client: jack.Client, pitch_hz: float) -> None:
    """Have the client play a sine on its port ``out``."""
    out = client.outports.register("out")
    played = 0

    @client.set_process_callback  # type: ignore[untyped-decorator]
    def play(frames: int) -> None:
        nonlocal played
        times = (played + np.arange(frames)) / RATE_HZ
        played += frames
        out.get_array()[:] = 0.316 * np.sin(2 * np.pi * pitch_hz * times)

    client.activate()
