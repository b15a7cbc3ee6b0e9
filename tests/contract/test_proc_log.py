"""A proc's log on a disk that fills up: the program's writes never fail."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.adapters.proc_log import LOG_LIMIT, ROOM_AHEAD, ProcLog
from tests.contract.conftest import SmallDisk

pytestmark = pytest.mark.real

LINE = b"2026-11-22T06:04:03 10.0.0.2 send: 0/0 recv: 0/5 tot: 176 sync: 0\n"


@pytest.fixture
def program(disk: SmallDisk) -> Iterator[int]:
    """What a program has its output on."""
    descriptor = opened(disk.place)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def log(disk: SmallDisk) -> Iterator[ProcLog]:
    log = ProcLog(opened(disk.place), 0)
    yield log
    log.close()


def opened(folder: Path) -> int:
    return os.open(folder / "link-bob", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)


def test_a_program_writes_for_ever_on_a_full_disk(
    disk: SmallDisk, log: ProcLog, program: int
) -> None:
    os.write(program, b"before\n")
    disk.fill()
    offset, heard = 0, ""
    for _ in range(40):
        for _ in range(100):
            assert os.write(program, LINE) == len(LINE)
        text, offset = log.read(offset)
        heard += text
        log.tend()
        disk.fill_more()
    assert heard.startswith("before\n")
    assert heard.count("tot: 176") == 4000, "no line was lost on its reader"
    assert log.tail().endswith(LINE.decode())
    assert (disk.place / "link-bob").stat().st_size < 3 * ROOM_AHEAD


def test_room_that_is_set_aside_is_not_read(log: ProcLog, program: int) -> None:
    os.write(program, b"three words here")
    log.tend()
    assert log.read(0) == ("three words here", 16)
    assert log.tail() == "three words here"


def test_a_log_that_gets_no_room_at_all_is_a_log_all_the_same(
    disk: SmallDisk, program: int
) -> None:
    disk.fill()
    log = ProcLog(opened(disk.place), 0)
    log.tend()
    assert log.read(0) == ("", 0)
    log.close()


def test_a_log_on_a_roomy_disk_is_cut_at_its_limit(tmp_path: Path) -> None:
    program = opened(tmp_path)
    log = ProcLog(opened(tmp_path), 0)
    os.write(program, b"x" * (LOG_LIMIT + 1))
    log.tend()
    assert (tmp_path / "link-bob").stat().st_size == 0
    os.write(program, b"after")
    assert log.read(LOG_LIMIT + 1) == ("after", LOG_LIMIT + 6)
    assert log.tail().endswith("xafter")
    log.close()
    os.close(program)
