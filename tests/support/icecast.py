"""A real Icecast on a free port of this machine, with a rendered configuration."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from sessiond.core.icecast_config import LISTENERS, StationSettings, icecast_xml
from sessiond.core.relaying import Origin
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import Secrets, Station
from tests.support.eventually import aeventually

ADDRESS = "127.0.0.1"


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port


Rewrite = Callable[[str], str]
"""Makes another server's configuration of the one that we render."""


def as_rendered(configuration: str) -> str:
    """Leave the configuration as it is."""
    return configuration


def without_mounts(configuration: str) -> str:
    """Return what an Icecast has that knows nothing of any session: no mounts."""
    return re.sub(r" *<mount .*?</mount>\n", "", configuration, flags=re.DOTALL)


def asking(url: str) -> Rewrite:
    """Have Icecast ask a web server (`source_gate`) about each source.

    Such a station takes sources, but no source's password allows any admin call.
    """
    option = f'<option name="stream_auth" value="{url}"/>'
    gate = f'<authentication type="url">{option}</authentication>'

    def rewritten(configuration: str) -> str:
        no_password = re.sub(r" *<(source-)?password>.*\n", "", configuration)
        return no_password.replace("</mount>", f"{gate}</mount>")

    return rewritten


@contextlib.asynccontextmanager
async def source_gate() -> AsyncIterator[str]:
    """Run a web server that lets every source in, and yield its address."""

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nicecast-auth-user: 1\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, ADDRESS, 0)
    async with server:
        yield f"http://{ADDRESS}:{server.sockets[0].getsockname()[1]}/"


@dataclass(slots=True, kw_only=True)
class RealIcecast:
    """One icecast2 process that can be ended and started again on the same port."""

    spec: SessionSpec
    secrets: Secrets
    folder: Path
    port: int = field(default_factory=free_port)
    prefix: tuple[str, ...] = ()
    rewrite: Rewrite = as_rendered
    relay_of: Origin | None = None
    listeners: int = LISTENERS
    filler: bool = False
    child: asyncio.subprocess.Process | None = None
    _before: int = 0

    @property
    def station(self) -> Station:
        return Station(address=ADDRESS, port=self.port)

    @property
    def file(self) -> Path:
        return self.folder / "icecast.xml"

    @property
    def log(self) -> str:
        """All that Icecast has said, access log included."""
        return (self.folder / "icecast.log").read_text()

    def configure(self, spec: SessionSpec, secrets: Secrets) -> None:
        """Write the configuration for this session, readable by Icecast's user."""
        self.spec, self.secrets = spec, secrets
        settings = StationSettings(
            hostname=ADDRESS,
            port=self.port,
            bind_address=ADDRESS,
            listeners=self.listeners,
            relay_of=self.relay_of,
            filler=self.filler,
        )
        self.file.write_text(self.rewrite(icecast_xml(spec, secrets, settings)))
        self.file.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(self.file, "icecast2")

    def hang_up(self) -> None:
        """Have the configuration read again."""
        assert self.child is not None
        self.child.send_signal(signal.SIGHUP)

    async def start(self) -> None:
        self.configure(self.spec, self.secrets)
        with (self.folder / "icecast.log").open("ab") as log:
            self._before = log.tell()
            self.child = await asyncio.create_subprocess_exec(
                *(*self.prefix, "icecast2", "-c", str(self.file)),
                stdout=log,
                stderr=log,
            )
        await aeventually(self._ready, within=15)
        await aeventually(self._answers, within=15)

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """End it and wait until it has ended; it may be stopped already."""
        child, self.child = self.child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)
        # Icecast's own end takes up to a second for each of its threads.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                await child.wait()
        if child.returncode is None:
            child.kill()
            await child.wait()

    def _ready(self) -> bool:
        """Whether it survives its first contact: decision 17."""
        assert self.child is not None
        assert self.child.returncode is None, self.log
        return "get_ssl_certificate" in self.log[self._before :]

    def _answers(self) -> bool:
        assert self.child is not None
        assert self.child.returncode is None, self.log
        with (
            contextlib.suppress(OSError),
            socket.create_connection((ADDRESS, self.port), 1),
        ):
            return True
        return False


@contextlib.asynccontextmanager
async def icecast(
    spec: SessionSpec,
    secrets: Secrets,
    folder: Path,
    *,
    prefix: tuple[str, ...] = (),
    rewrite: Rewrite = as_rendered,
    relay_of: Origin | None = None,
    listeners: int = LISTENERS,
    filler: bool = False,
) -> AsyncIterator[RealIcecast]:
    """Run Icecast for this session until the block ends.

    Args:
        spec: The session.
        secrets: Its passwords.
        folder: Where its configuration and its log go.
        prefix: What its argument list begins with, for instance to start as a user.
        rewrite: Changes the configuration, to be somebody else's server.
        relay_of: Whose mounts it relays; None: it has its own.
        listeners: How many it lets in.
        filler: Whether its mounts have hidden ones for a filler.
    """
    server = RealIcecast(
        spec=spec,
        secrets=secrets,
        folder=folder,
        prefix=prefix,
        rewrite=rewrite,
        relay_of=relay_of,
        listeners=listeners,
        filler=filler,
    )
    try:
        await server.start()
        yield server
    finally:
        # Its own way to end takes more than a second, in every test.
        await server.stop(signal.SIGKILL)
