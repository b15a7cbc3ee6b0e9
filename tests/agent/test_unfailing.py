"""What a process says must not end it."""

import os
from pathlib import Path

from agent.unfailing import unfailing


def test_lines_arrive_at_once(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        out = unfailing(file.fileno())
        out.write("source.state to=live why='ä'\n")
        assert (tmp_path / "log").read_text() == "source.state to=live why='ä'\n"
        out.close()
        file.write(b"its descriptor is still ours")


def test_what_can_not_be_written_is_dropped() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    gone, end = os.pipe()
    os.close(gone)
    for descriptor in (full, end):
        out = unfailing(descriptor)
        for _ in range(3):
            out.write("word\n")
            out.flush()
        out.close()
        os.close(descriptor)
