"""The door to what this computer's FFmpeg can do; it encodes elsewhere."""

import asyncio
from typing import Final

from agent.adapters.executables import Executables
from sessiond.core.sourcing import ENCODERS
from sessiond.core.spec import Codec
from sessiond.errors import Broken
from sessiond.units import Seconds

# Listing takes 0.05 s; on a machine that is busy starting everything, much longer.
WITHIN: Final = Seconds(10.0)


async def codecs() -> frozenset[Codec]:
    """Return the codecs that FFmpeg can encode here, recording from JACK.

    Raises:
        Broken: FFmpeg is missing, does not answer or can't record from JACK.
    """
    encoders, devices = await asyncio.gather(_listed("-encoders"), _listed("-devices"))
    if "jack" not in devices:
        raise Broken(
            "This FFmpeg can't record from JACK.", "Install Debian's ffmpeg package."
        )
    return frozenset(codec for codec, name in ENCODERS.items() if name in encoders)


async def _listed(option: str) -> frozenset[str]:
    """Return the second column of one of FFmpeg's lists: the names."""
    try:
        child = await asyncio.create_subprocess_exec(
            *(Executables().of("ffmpeg"), "-hide_banner", option),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as e:
        raise Broken("FFmpeg can't be started.", "Install ffmpeg again.") from e
    try:
        async with asyncio.timeout(WITHIN):
            text, _ = await child.communicate()
    except TimeoutError as e:
        child.kill()
        await child.wait()
        raise Broken("FFmpeg does not answer.", "Install Debian's ffmpeg.") from e
    rows = (line.split() for line in text.decode("utf-8", "replace").splitlines())
    # Devices may share a line: "D  v4l2,video4linux2".
    return frozenset(name for row in rows if len(row) > 1 for name in row[1].split(","))
