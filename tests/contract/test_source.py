"""The source process against real FFmpeg, JACK and Icecast."""

import asyncio
import contextlib
import dataclasses
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.adapters.icecast import IcecastDoor
from agent.source import steer
from agent.source.leases import lease_clock
from agent.steering import ask
from sessiond.core.holder import Role
from sessiond.core.source_messages import lease_document
from sessiond.core.sourcing import (
    LEASE_SECONDS,
    Lease,
    Seat,
    SourceReport,
    SourceState,
)
from sessiond.core.spec import MountSpec
from sessiond.units import Seconds, Term
from tests.support.ear import decode, listening, tones
from tests.support.eventually import aeventually
from tests.support.icecast import RealIcecast, icecast
from tests.support.sources import (
    MOUNTS,
    PASSWORD,
    PITCH,
    SECRETS,
    SPEC,
    RealSource,
    order,
    sound,
    source,
)
from tests.support.studio import Studio, studio

pytestmark = pytest.mark.real


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
        async with listening("127.0.0.1", station.port, mount.path) as heard:
            await aeventually(lambda: sound(heard.body) > 2.5, within=15)
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


async def test_a_second_source_is_refused_and_takes_over_when_the_first_dies(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    mix = MOUNTS[1]
    async with source(order(mix, station), jack, tmp_path) as first:
        await first.become(SourceState.LIVE)
        other = dataclasses.replace(order(mix, station, "bob"), jack_client="air-b")
        async with source(other, jack, tmp_path) as second:
            await second.become(SourceState.REFUSED)
            first.child.kill()
            await second.become(SourceState.LIVE, within=5)
            seat = second.report.primary
            assert (seat.term, seat.role) == (3, Role.LEADER)


async def test_the_label_says_whose_source_it_is(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    async with (
        source(order(MOUNTS[0], station), jack, tmp_path) as made,
        IcecastDoor() as door,
    ):
        await made.become(SourceState.LIVE)

        async def labelled() -> bool:
            holders = [m.holder for m in await door.mounts(station.station)]
            return [(h.host, h.term) for h in holders if h] == [("alice", 3)]

        await aeventually(labelled, within=5)


async def test_a_silent_agent_ends_the_put_and_only_its_word_opens_another(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    quiet = source(order(MOUNTS[1], station), jack, tmp_path, seats=())
    async with quiet as made:
        # The agent's last word, seven seconds ago.
        await lease(made, grant=1, age=LEASE_SECONDS - 3)
        await made.become(SourceState.LIVE, within=5)
        report = await made.become(SourceState.WAITING, within=5)
        assert "silent" in report.primary.detail
        # The same grant again opens nothing; a higher one does.
        await lease(made, grant=1, age=0)
        await stays(made, SourceState.WAITING)
        await lease(made, grant=2, age=0)
        await made.become(SourceState.LIVE, within=5)


async def test_a_lease_that_waited_in_the_socket_is_as_old_as_it_is(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    quiet = source(order(MOUNTS[1], station), jack, tmp_path, seats=())
    async with quiet as made:
        await lease(made, grant=5, age=LEASE_SECONDS + 1)
        await stays(made, SourceState.WAITING)


async def test_a_revoked_lease_frees_the_mount_and_keeps_the_encoder(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    async with source(order(MOUNTS[1], station), jack, tmp_path) as made:
        before = await made.become(SourceState.LIVE)
        await made.revoke(Seat.PRIMARY)
        after = await made.become(SourceState.WAITING, within=5)
        assert after.encoder_pid == before.encoder_pid
        # In mid-stream: the cached headers go first, and the sine is all there.
        await jack.play("air-dj2.opus")
        made.grants[Seat.PRIMARY] = 2
        await made.become(SourceState.LIVE, within=5)
        path = MOUNTS[1].path
        async with listening("127.0.0.1", station.port, path) as heard:
            await aeventually(lambda: sound(heard.body) > 2.5, within=10)
        assert tones(decode(heard.body)) == {PITCH}


async def test_after_icecast_came_back_only_a_new_grant_connects(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    async with source(order(MOUNTS[0], station), jack, tmp_path) as made:
        await made.become(SourceState.LIVE)
        await station.stop(signal.SIGKILL)
        await made.become(SourceState.LOST, within=5)
        await station.start()
        await stays(made, SourceState.LOST)
        made.grants[Seat.PRIMARY] = 2
        await made.become(SourceState.LIVE, within=5)


async def test_it_connects_as_soon_as_icecast_answers(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    await station.stop(signal.SIGKILL)
    async with source(order(MOUNTS[0], station), jack, tmp_path) as made:
        await made.become(SourceState.UNREACHABLE)
        await station.start()
        await made.become(SourceState.LIVE, within=5)


async def test_a_wrong_password_is_denied_and_named(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    wrong = source(order(MOUNTS[0], station), jack, tmp_path, password="no")
    async with wrong as made:
        report = await made.become(SourceState.DENIED)
        assert "wrong user name or password" in report.primary.detail
        # Another password is another order; it takes another grant.
        await steer.send_order(made.socket, order(MOUNTS[0], station), PASSWORD)
        made.grants[Seat.PRIMARY] = 2
        await made.become(SourceState.LIVE)


async def test_listeners_stay_when_ffmpeg_is_killed(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    mix = MOUNTS[1]
    async with source(order(mix, station), jack, tmp_path) as made:
        await jack.play("air-dj2.opus")
        first = await made.become(SourceState.LIVE)
        async with listening("127.0.0.1", station.port, mix.path) as heard:
            await aeventually(lambda: len(heard.body) > 20000, within=5)
            os.kill(first.encoder_pid, signal.SIGKILL)
            await aeventually(lambda: restarted(made, first), within=5)
            await jack.play("air-dj2.opus")
            length = len(heard.body)
            await aeventually(lambda: len(heard.body) > length + 20000, within=5)
            assert not heard.finished.is_set()
        assert tones(decode(heard.body[length:])) == {PITCH}
        made.is_(SourceState.LIVE)()


async def test_an_ffmpeg_that_hangs_is_replaced(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    async with source(order(MOUNTS[1], station), jack, tmp_path) as made:
        first = await made.become(SourceState.LIVE)
        os.kill(first.encoder_pid, signal.SIGSTOP)
        await aeventually(lambda: restarted(made, first), within=8)
        await made.become(SourceState.LIVE)


async def test_ffmpeg_does_not_outlive_a_killed_source(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    async with source(order(MOUNTS[1], station), jack, tmp_path) as made:
        report = await made.become(SourceState.LIVE)
        made.child.kill()
        await aeventually(lambda: not alive(report.encoder_pid), within=5)


@pytest.mark.parametrize("way", ["term", "stop"])
async def test_its_end_frees_the_mount_and_ends_ffmpeg(
    way: str, jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    async with (
        source(order(MOUNTS[1], station), jack, tmp_path) as made,
        IcecastDoor() as door,
    ):
        report = await made.become(SourceState.LIVE)
        if way == "term":
            made.child.send_signal(signal.SIGTERM)
        else:
            await steer.stop(made.socket)
        async with asyncio.timeout(5):
            assert await made.child.wait() == 0
        assert not alive(report.encoder_pid)

        async def free() -> bool:
            return await door.mounts(station.station) == ()

        await aeventually(free, within=5)


async def test_without_ffmpeg_it_says_so_and_ends(
    jack: Studio, station: RealIcecast, tmp_path: Path
) -> None:
    (tmp_path / "setpriv").symlink_to("/usr/bin/setpriv")
    async with source(
        order(MOUNTS[1], station), jack, tmp_path, path=str(tmp_path)
    ) as made:
        async with asyncio.timeout(15):
            assert await made.child.wait() == 4
        log = (tmp_path / "source.log").read_text()
        assert "ffmpeg is missing" in log


async def lease(made: RealSource, *, grant: int, age: float) -> None:
    """Send a lease that was written `age` seconds ago."""
    word = Lease(
        seat=Seat.PRIMARY,
        term=Term(3),
        role=Role.LEADER,
        grant=grant,
        sent_at=Seconds(lease_clock() - age),
    )
    await ask(made.socket, {"lease": lease_document(word)}, within=Seconds(1))


async def stays(made: RealSource, state: SourceState) -> None:
    """Fail if the source leaves this state within half a second."""
    with pytest.raises(AssertionError, match="did not hold"):
        await aeventually(
            lambda: made.seat().state is not state,
            within=0.5,
        )


def restarted(made: RealSource, before: SourceReport) -> bool:
    report = made.report
    return (
        report.encoder_pid not in (0, before.encoder_pid)
        and report.encoded_bytes > 0
        and report.encoder_restarts == before.encoder_restarts + 1
    )


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False
