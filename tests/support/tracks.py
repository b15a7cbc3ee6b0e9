"""Music for a station: sines as files, and a next-track server that names one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from sessiond.cli.lab import LabHost, Program
from sessiond.units import Seconds
from tests.support.eventually import eventually


def write_track(file: Path, pitch_hz: int, length: Seconds = Seconds(4)) -> Path:
    """Write a sine as a FLAC file that everybody may read."""
    tone = f"sine=frequency={pitch_hz}:sample_rate=48000:duration={length}"
    argv = (
        "ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", tone,
        "-ac", "2", "-metadata", f"title=Tone {pitch_hz}", "-y", str(file),
    )  # fmt: skip
    subprocess.run(argv, check=True)
    file.chmod(0o644)
    return file


@contextmanager
def public_folder() -> Iterator[Path]:
    """Make a folder that the filler's own user may read, as no test's own folder is."""
    with TemporaryDirectory(prefix="sessiond-music-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def serve_next(host: LabHost, track: Path, port: int) -> Program:
    """Start a next-track server on a host that always names this track."""
    listed = track.with_suffix(".m3u")
    listed.write_text(f"{track.name}\n")
    program = str(Path(sys.executable).with_name("sessiond"))
    asked = ("next-track", str(listed), "--listen", f"127.0.0.1:{port}")
    server = host.spawn((program, *asked))

    def answers() -> bool:
        with suppress(ConnectionRefusedError):
            host.connect("127.0.0.1", port).close()
            return True
        return False

    eventually(answers, within=10)
    return server
