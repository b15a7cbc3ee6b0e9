"""Headphones for a host of the lab: what its musician hears, on demand.

As a program (``python -m tests.support.jackhost --socket PATH``) it registers the
ports ``phones:in_1`` and ``phones:in_2`` and waits at a Unix socket; who connects
and sends a number of seconds gets the rate and then that much sound, recorded from
that moment on. `start_phones` starts it on a host and `phones` is the other end.
"""

import argparse
import asyncio
import json
import socketserver
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import jack
import numpy as np
from numpy.typing import NDArray

from sessiond.cli.lab import LabHost, Program
from sessiond.units import Frames, Hertz, Seconds
from tests.support.ear import Pcm
from tests.support.eventually import eventually

_PORTS: Final = ("in_1", "in_2")

# Enough for the longest recording of a test; older sound is overwritten.
_KEPT: Final = Seconds(30.0)


def socket_of(host: LabHost) -> Path:
    """Return where a host's headphones wait."""
    return host.folder / "phones.sock"


def start_phones(host: LabHost) -> Program:
    """Start headphones on a host whose JACK server runs; they are there on return."""
    door = socket_of(host)
    door.unlink(missing_ok=True)
    argv = (sys.executable, "-m", "tests.support.jackhost", "--socket", str(door))
    program = host.spawn(argv, log="phones")
    eventually(door.exists, within=Seconds(10.0))
    return program


async def phones(host: LabHost, seconds: float) -> Pcm:
    """Return what comes to a host's headphones in the next `seconds`."""
    reader, writer = await asyncio.open_unix_connection(str(socket_of(host)))
    writer.write(f"{seconds}\n".encode())
    try:
        head = json.loads(await reader.readline())
        raw = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    samples = np.frombuffer(raw, dtype="<f4").reshape(-1, len(_PORTS))
    return Pcm(rate_hz=Hertz(head["rate_hz"]), samples=samples)


def connections(host: LabHost) -> frozenset[tuple[str, str]]:
    """Return every JACK connection on a host, each with its output port first."""
    return frozenset(_outward(host.run(("jack_lsp", "-s", "default", "-c", "-p"))))


def _outward(listing: str) -> Iterator[tuple[str, str]]:
    """Yield an output port with each of its peers.

    A port stands at a line's start, its peers after three blanks, then its
    properties after a tab.
    """
    port, peers = "", list[str]()
    for line in listing.splitlines():
        if line.startswith("\tproperties:"):
            if " output" in line.split(":")[1].split(","):
                yield from ((port, peer) for peer in peers)
        elif line.startswith("   "):
            peers.append(line.strip())
        else:
            port, peers = line.strip(), []


class Phones:
    """A ring of the last half minute that JACK fills."""

    def __init__(self) -> None:
        self._client = jack.Client("phones", no_start_server=True)
        self._ports = tuple(self._client.inports.register(name) for name in _PORTS)
        self.rate_hz = Hertz(int(self._client.samplerate))
        length = round(_KEPT * self.rate_hz)
        self._ring: NDArray[np.float32] = np.zeros(
            (length, len(_PORTS)), dtype=np.float32
        )
        self._written = 0
        self._turned = threading.Event()
        self._client.set_process_callback(self._keep)
        self._client.activate()

    def _keep(self, frames: Frames) -> None:
        places = (self._written + np.arange(frames)) % len(self._ring)
        for channel, port in enumerate(self._ports):
            self._ring[places, channel] = port.get_array()
        self._written += frames
        self._turned.set()

    def record(self, seconds: float) -> bytes:
        """Return the sound of the next `seconds`, at most half a minute."""
        start = self._written
        count = round(seconds * self.rate_hz)
        while self._written < start + count:
            self._turned.clear()
            self._turned.wait()
        return self._ring[(start + np.arange(count)) % len(self._ring)].tobytes()


def main(argv: list[str]) -> None:
    """Serve recordings until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=Path, required=True)
    door = parser.parse_args(argv).socket
    ears = Phones()

    class Answer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            seconds = float(self.rfile.readline())
            head = json.dumps({"rate_hz": ears.rate_hz})
            self.wfile.write(head.encode() + b"\n" + ears.record(seconds))

    with socketserver.ThreadingUnixStreamServer(str(door), Answer) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
