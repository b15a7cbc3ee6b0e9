"""What every test gets: real programs are there, and nothing is left running."""

import asyncio
import gc
import inspect
import os
import shutil
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.support.eventually import aeventually, eventually
from tests.support.replays import Replays

T = TypeVar("T")

REAL_PROGRAMS: Final = (
    "jackd",
    "jacktrip",
    "ffmpeg",
    "icecast2",
    "chronyd",
    "ip",
    "nft",
    "unshare",
    "setpriv",
    "faketime",
    "chromium",
    "liquidsoap",
    "nginx",
)

# What was told to end is gone within a few scheduler turns, JackTrip within half a
# second; what is still there after this has been forgotten.
GRACE: Final = 2.0

_TASKS: Final = "/proc/self/task"

# The same examples in each run, and none judged by the time that it took: a failure
# is then the code's and not the machine's. Few, because the whole core is to be tested
# in two seconds; `--hypothesis-profile=default` explores with more and with others.
settings.register_profile(
    "steady",
    max_examples=8,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")


# What is imported and collected stays: looking for garbage in it takes a tenth of all.
gc.disable()


def pytest_configure(config: pytest.Config) -> None:
    """Have failed tests played again as `Replays` says."""
    config.pluginmanager.register(Replays())
    # A shell has what it starts in the background ignore SIGINT, and so would those
    # whom a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give async tests, and only these, the check for forgotten tasks.

    It comes before a test's own fixtures, so that what they own is theirs to end.
    """
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            after = item.fixturenames.index("nothing_leaks") + 1
            item.fixturenames.insert(after, "tasks_end")


def pytest_collection_finish() -> None:
    """Take what is there for good out of the garbage collector's rounds."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def real_programs() -> None:
    """Fail, and never skip, where a program that the tests drive is missing."""
    missing = [name for name in REAL_PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.fail(
            f"not on the PATH: {', '.join(missing)}; run ./deploy/install --dev"
        )


@pytest.fixture(autouse=True)
def nothing_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread or a process, and end the process.

    Fixtures of a wider scope are set up before the first look, so what they own
    is theirs to end.
    """
    tag = b""
    if request.node.get_closest_marker("real"):
        request.getfixturevalue("real_programs")
        # pytest puts this into the environment, from where children inherit it, so
        # that orphans are found too.
        tag = f"PYTEST_CURRENT_TEST={request.node.nodeid} (".encode()
    threads, pids = _threads(), _pids(tag)
    yield
    left = [thread.name for thread in _lasting(lambda: _threads() - threads)]
    left += [_end(pid) for pid in _lasting(lambda: _pids(tag) - pids)]
    if left:
        pytest.fail(f"the test left running: {', '.join(left)}")


@pytest.fixture
async def tasks_end() -> AsyncIterator[None]:
    """Fail a test that leaves an asyncio task."""
    before = asyncio.all_tasks()
    yield
    here = asyncio.current_task()

    def left() -> list[str]:
        tasks = asyncio.all_tasks() - before
        return [repr(t.get_coro()) for t in tasks if t is not here]

    with suppress(AssertionError):
        await aeventually(lambda: not left(), within=GRACE)
    if tasks := left():
        pytest.fail(f"the test left tasks: {', '.join(tasks)}")


def _lasting(left: Callable[[], set[T]]) -> set[T]:
    """Return what is still left after the grace."""
    with suppress(AssertionError):
        eventually(lambda: not left(), within=GRACE)
    return left()


def _threads() -> set[threading.Thread]:
    """Return Python's own threads.

    JACK's callback threads show as dummies, which Python never forgets. gRPC has one
    poller for all channels, which ends whenever the last of them is collected.
    """
    return {
        thread
        for thread in threading.enumerate()
        if not isinstance(thread, threading._DummyThread)
        and "(_poll_wrapper)" not in thread.name
    }


def _pids(tag: bytes) -> set[int]:
    """Return our children, and every process with this in its environment."""
    pids = _children()
    if tag:
        pids |= {pid for pid in psutil.pids() if tag in _environment(pid)}
        pids.discard(os.getpid())
    return pids


def _children() -> set[int]:
    lists = (f"/proc/self/task/{task}/children" for task in os.listdir(_TASKS))  # noqa: PTH208  three times faster
    return {int(pid) for each in lists for pid in _read(each).split()}


def _environment(pid: int) -> bytes:
    return _read(f"/proc/{pid}/environ")


def _read(path: str) -> bytes:
    """Return the file's bytes, or none once its process or thread is gone."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _end(pid: int) -> str:
    """End a forgotten process so that it disturbs no other test; return its name."""
    try:
        name = f"{' '.join(psutil.Process(pid).cmdline())} (pid {pid})"
        os.kill(pid, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return f"pid {pid}"
    return name
