"""What a station runs can do its work in the system unit's sandbox."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.source.encoder import _TIE, _TIED
from tests.support.sandbox import allowed

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy/systemd/system/sessiond-agent.service"

# Scheduling, locked memory, pidfds, a callback that C calls, matrices.
PYTHON = """
import ctypes, os, signal, numpy
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
assert ctypes.CDLL(None).mlockall(1) == 0
signal.pidfd_send_signal(os.pidfd_open(os.getpid()), 0)
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(
    lambda *_: 0)
ctypes.CDLL(None).qsort((ctypes.c_int * 4)(), 4, 4, compare)
assert (numpy.eye(64) @ numpy.eye(64)).sum() == 64
print("plays")
"""

FORBIDDEN = """
import ctypes, errno, os
for call, *arguments in ((os.chown, "/tmp", 0, 0), (os.chroot, "/")):
    try:
        call(*arguments)
    except PermissionError as e:
        assert e.errno == errno.EPERM
    else:
        raise SystemExit(f"{call.__name__} is allowed")
assert ctypes.CDLL(None).mount(b"none", b"/mnt", b"tmpfs", 0, None) == -1
print("kept")
"""


def confined(*command: str) -> str:
    module = (sys.executable, "-m", "tests.support.sandbox", str(UNIT))
    done = subprocess.run(
        (*module, *command),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_our_own_programs_do_all_that_they_need() -> None:
    assert confined(sys.executable, "-c", PYTHON) == "plays\n"


def test_a_source_can_tie_its_ffmpeg_to_itself() -> None:
    assert "libvorbis" in confined(_TIE, *_TIED, "ffmpeg", "-hide_banner", "-encoders")


def test_what_only_administrators_do_is_refused() -> None:
    assert confined(sys.executable, "-c", FORBIDDEN) == "kept\n"


def test_a_later_line_takes_away_or_gives_back() -> None:
    lines = ("SystemCallFilter=@chown read", "SystemCallFilter=~@chown")
    assert not {"chown", "fchown"} & allowed("\n".join(lines))
    given_back = allowed("\n".join((*lines, "SystemCallFilter=chown")))
    assert {"chown", "read"} <= given_back
    assert "fchown" not in given_back
