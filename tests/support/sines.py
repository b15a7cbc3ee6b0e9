"""Sines on the mounts of an Icecast, without JACK and without an agent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from sessiond.core.spec import Codec, MountSpec
from sessiond.core.stamped import Secrets
from sessiond.units import MountPath
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS, RealIcecast

_ENCODERS: Final = {
    Codec.VORBIS: ("-c:a", "libvorbis", "-page_duration", "200000", "-f", "ogg"),
    Codec.OPUS: ("-c:a", "libopus", "-page_duration", "200000", "-f", "ogg"),
    Codec.FLAC: ("-c:a", "flac", "-page_duration", "200000", "-f", "ogg"),
    Codec.MP3: ("-c:a", "libmp3lame", "-write_xing", "0", "-f", "mp3"),
}
_TYPES: Final = {Codec.MP3: "audio/mpeg"}


def _argv(
    server: RealIcecast, mount: MountSpec, path: MountPath, sound: str
) -> tuple[str, ...]:
    rate = ("-b:a", f"{mount.bitrate_kbps}k") if mount.bitrate_kbps else ()
    kind = _TYPES.get(mount.codec, "application/ogg")
    password = server.secrets.for_mount(mount.path)
    return (
        *("ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi"),
        *("-i", sound, "-ac", "2", *rate, *_ENCODERS[mount.codec]),
        *("-flush_packets", "1", "-content_type", kind),
        f"icecast://source:{password}@{ADDRESS}:{server.port}{path}",
    )


@contextlib.asynccontextmanager
async def feeding(
    server: RealIcecast,
    mount: MountSpec,
    pitch_hz: int,
    *,
    path: MountPath | None = None,
    rate_hz: int = 48000,
    sound: str = "",
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Play a sine on a mount until the block ends, and yield the FFmpeg that does.

    Args:
        server: Its `Secrets` must be plain text that fits an address.
        mount: What is fed.
        pitch_hz: The sine's.
        path: The seat that is fed; by default the mount itself.
        rate_hz: The sine's sampling rate.
        sound: Another sound in its place, as FFmpeg's lavfi names it.
    """
    seat = path or mount.path
    sine = f"sine=frequency={pitch_hz}:sample_rate={rate_hz}"
    before = len(server.log)
    child = await asyncio.create_subprocess_exec(
        *_argv(server, mount, seat, sound or sine)
    )
    mark = f'mountpoint "{seat}"'
    try:
        await aeventually(lambda: mark in server.log[before:], within=15)
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


PLAIN: Final = Secrets(source="hackme", admin="boss")
