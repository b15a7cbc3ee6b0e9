"""What a JACK server that was killed leaves behind does not keep the next one."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.adapters.jack_leftovers import drop_dead_metadata

pytestmark = pytest.mark.real


@pytest.fixture
def region(tmp_path: Path) -> Path:
    """A file of a user's JACK metadata."""
    folder = tmp_path / f"jack_db-{os.getuid()}"
    folder.mkdir()
    file = folder / "__db.001"
    file.write_bytes(bytes(4096))
    return file


def test_a_server_starts_where_another_was_killed_half_way(tmp_path: Path) -> None:
    apart = 'mount -t tmpfs -o mode=1777 tmpfs /dev/shm && exec "$@"'
    module = (sys.executable, "-m", "tests.support.halfmade", str(tmp_path))
    started = subprocess.run(
        ("unshare", "--mount", "sh", "-c", apart, "sh", *module),
        check=False,
        capture_output=True,
        text=True,
        timeout=25,
    )
    assert started.returncode == 0, started.stderr
    assert "system:playback_1" in started.stdout.split()


def test_what_nobody_has_open_goes(region: Path, tmp_path: Path) -> None:
    assert drop_dead_metadata(tmp_path)
    assert not region.parent.exists()
    assert not drop_dead_metadata(tmp_path)


def test_what_a_living_process_has_open_stays(region: Path, tmp_path: Path) -> None:
    with region.open("r+b") as file, mmap.mmap(file.fileno(), 4096):
        assert not drop_dead_metadata(tmp_path)
        assert region.exists()
    assert drop_dead_metadata(tmp_path)
