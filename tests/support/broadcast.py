"""FFmpeg as somebody's source: a made sound on a mount, in real time, without JACK."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from agent.adapters.icecast import IcecastDoor
from sessiond.core.spec import Codec, MountSpec
from sessiond.core.stamped import Secrets
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS, RealIcecast

SINE: Final = "sine=frequency=440:sample_rate=48000,volume=-8dB"
"""An eighth of full scale, less 8 dB and 3 for two channels: −29 dBFS, −32 dB RMS."""

LOUD: Final = "sine=frequency=997:sample_rate=48000,volume=30dB"
"""Clipped."""

SILENCE: Final = "anoisesrc=sample_rate=48000:amplitude=0.0002"
"""Some −80 dB: what FFmpeg makes of nothing at all waits for seconds in its buffers."""

_CODECS: Final[Mapping[Codec, tuple[str, ...]]] = {
    Codec.VORBIS: ("-c:a", "libvorbis", "-f", "ogg", "-page_duration", "200000"),
    Codec.OPUS: ("-c:a", "libopus", "-f", "ogg", "-page_duration", "200000"),
    Codec.FLAC: ("-c:a", "flac", "-f", "ogg", "-page_duration", "200000"),
    Codec.MP3: ("-c:a", "libmp3lame", "-id3v2_version", "0", "-f", "mp3"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """A source that plays."""

    child: asyncio.subprocess.Process
    mount: MountSpec
    station: RealIcecast

    def pause(self) -> None:
        self.child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.child.send_signal(signal.SIGCONT)

    async def call(self, title: str) -> None:
        """Change the title by Icecast's own call."""
        secrets: Secrets = self.station.secrets
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(
                f"http://{ADDRESS}:{self.station.port}/admin/metadata",
                params={
                    "mode": "updinfo",
                    "mount": self.mount.path,
                    "song": title,
                    "charset": "UTF-8",
                },
                auth=("source", secrets.source),
            )
        assert "Metadata update successful" in answer.text


@contextlib.asynccontextmanager
async def broadcast(
    station: RealIcecast, mount: MountSpec, sound: str, *, title: str = ""
) -> AsyncIterator[Broadcast]:
    """Play `sound`, a source of FFmpeg's lavfi, on the mount until the block ends."""
    where = f"{ADDRESS}:{station.port}{mount.path}"
    kind = "audio/mpeg" if mount.codec is Codec.MP3 else "application/ogg"
    child = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi"),
        *("-i", sound, "-ac", "2", "-ar", "48000", *_CODECS[mount.codec]),
        *("-metadata", f"title={title}", "-flush_packets", "1"),
        *("-content_type", kind),
        f"icecast://source:{station.secrets.source}@{where}",
    )
    try:
        yield Broadcast(child=child, mount=mount, station=station)
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        # Icecast refuses the next one until it has let go of this.
        async with IcecastDoor() as door:
            await aeventually(lambda: _is_free(door, station, mount), within=10)


async def _is_free(door: IcecastDoor, station: RealIcecast, mount: MountSpec) -> bool:
    return mount.path not in {m.path for m in await door.mounts(station.station)}
