"""The source process against real FFmpeg, JACK and Icecast."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.source import steer
from sessiond.core.election import Role
from sessiond.core.sourcing import SourceOrder, SourceReport, SourceState, order_for
from sessiond.core.spec import Codec, HostRef, MountSpec, SessionSpec
from sessiond.core.stamped import Secrets
from sessiond.errors import Unavailable
from sessiond.units import Hertz, HostName, Kbps, MountPath, SessionName, Term
from tests.support.ear import decode, listen, tones
from tests.support.eventually import aeventually
from tests.support.icecast import RealIcecast, icecast
from tests.support.studio import Studio, studio

pytestmark = pytest.mark.real

PITCH = 440
PASSWORD = "a \"<b>&'c:d#@^%é"
MOUNTS = (
    MountSpec(path=MountPath("/mix.ogg"), codec=Codec.VORBIS, bitrate_kbps=Kbps(128)),
    MountSpec(path=MountPath("/dj2.opus"), codec=Codec.OPUS, bitrate_kbps=Kbps(96)),
    MountSpec(path=MountPath("/dj3.mp3"), codec=Codec.MP3, bitrate_kbps=Kbps(128)),
    MountSpec(path=MountPath("/dj3.flac"), codec=Codec.FLAC, bitrate_kbps=None),
)
SPEC = SessionSpec(
    name=SessionName("friday-jam"),
    hosts=(HostRef(name=HostName("alice")), HostRef(name=HostName("bob"))),
    mounts=MOUNTS,
)
SECRETS = Secrets(source=PASSWORD, admin="boss")


class RealSource:
    """One ``python -m agent.source`` that is kept supplied with leases."""

    def __init__(self, child: asyncio.subprocess.Process, socket: Path) -> None:
        self.child = child
        self.socket = socket
        self.grant = 1
        self.renewing = True
        self.report: SourceReport | None = None

    async def renew(self) -> None:
        """Renew the lease every 0.2 s for ever, while `renewing`."""
        while True:
            with contextlib.suppress(Unavailable):
                if self.renewing:
                    self.report = await steer.renew(
                        self.socket, term=Term(3), role=Role.LEADER, grant=self.grant
                    )
                else:
                    self.report = await steer.report(self.socket)
            await asyncio.sleep(0.2)

    def is_(self, state: SourceState) -> Callable[[], bool]:
        def holds() -> bool:
            assert self.report is not None
            assert self.report.state is state, self.report
            return True

        return holds

    async def become(self, state: SourceState, *, within: float = 5) -> SourceReport:
        await aeventually(self.is_(state), within=within)
        assert self.report is not None
        return self.report


@pytest.fixture
async def jack() -> AsyncIterator[Studio]:
    async with studio(PITCH) as made:
        yield made


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[RealIcecast]:
    folder = tmp_path / "icecast"
    folder.mkdir()
    async with icecast(SPEC, SECRETS, folder) as server:
        yield server


@contextlib.asynccontextmanager
async def source(
    order: SourceOrder, jack: Studio, folder: Path, password: str = PASSWORD
) -> AsyncIterator[RealSource]:
    socket = folder / f"{order.host}{order.jack_client}.sock"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent.source", "--name", "source-x"),
        *("--socket", str(socket), "--server", jack.server),
    )
    made = RealSource(child, socket)
    try:
        await aeventually(socket.exists, within=5)
        await steer.send_order(socket, order, password)
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(made.renew())
            yield made
            renewing.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        await child.wait()


def order(mount: MountSpec, station: RealIcecast, host: str = "alice") -> SourceOrder:
    return order_for(
        mount,
        station=station.station,
        user="source",
        rate_hz=Hertz(48000),
        session=SPEC.name,
        host=HostName(host),
    )


def visible(pid: int) -> bytes:
    """Return what any process of the same user may see of another."""
    folder = Path(f"/proc/{pid}")
    return (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()


@pytest.mark.parametrize("mount", MOUNTS, ids=lambda mount: mount.codec.value)
async def test_a_listener_hears_the_sine_in_every_codec(
    mount: MountSpec, jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    async with source(order(mount, station), jack, tmp_path) as made:
        await jack.play(f"air-{mount.file_name}")
        await made.become(SourceState.LIVE)
        heard = await listen("127.0.0.1", station.port, mount.path, seconds=4)
        assert "200" in heard.status
        assert tones(decode(heard.body)) == {PITCH}


async def test_the_password_is_in_no_argument_list_and_no_environment(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    async with source(order(MOUNTS[0], station), jack, tmp_path) as made:
        report = await made.become(SourceState.LIVE)
        shown = visible(made.child.pid) + visible(report.encoder_pid)
        assert b"air-mix.ogg" in shown
        assert PASSWORD.encode() not in shown
    assert PASSWORD not in repr(report)
