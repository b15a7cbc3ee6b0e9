"""Which of systemd's verdicts is a wanted stop (systemd.exec(5), $SERVICE_RESULT)."""

import os
import subprocess
import sys
import time

import pytest

from agent.after_stop import PAUSE_S, WANTED, verdict

STOPPED = ("success", "exited", "0")


def told(result: str, code: str, status: str) -> dict[str, str]:
    return {"SERVICE_RESULT": result, "EXIT_CODE": code, "EXIT_STATUS": status}


@pytest.mark.parametrize(
    "wanted",
    [
        STOPPED,
        ("success", "killed", "TERM"),  # told to end while Python was starting
        ("success", "killed", "INT"),
        ("timeout", "killed", "KILL"),  # hung while it was told to end
        ("timeout", "exited", "0"),
    ],
)
def test_a_stop_that_somebody_asked_for_is_wanted(wanted: tuple[str, str, str]) -> None:
    assert verdict(told(*wanted)) in WANTED


@pytest.mark.parametrize(
    "unwanted",
    [
        ("signal", "killed", "KILL"),  # kill -9
        ("signal", "killed", "SEGV"),
        ("core-dump", "dumped", "ABRT"),
        ("success", "killed", "HUP"),  # a reload that met an agent still starting
        ("success", "killed", "PIPE"),
        ("exit-code", "exited", "1"),  # a bug
        ("exit-code", "exited", "2"),
        ("exit-code", "exited", "3"),
        ("watchdog", "killed", "ABRT"),
        ("watchdog", "killed", "KILL"),
        ("timeout", "killed", "ABRT"),  # a start that took too long
        ("oom-kill", "killed", "KILL"),
        ("protocol", "", ""),
        ("start-limit-hit", "", ""),
        ("resources", "", ""),
    ],
)
def test_a_crash_is_not(unwanted: tuple[str, str, str]) -> None:
    assert verdict(told(*unwanted)) not in WANTED


def test_without_a_verdict_nothing_was_asked_for() -> None:
    assert verdict({}) not in WANTED


def test_a_crash_waits_for_no_imports() -> None:
    """The next agent starts only once this has ended."""
    asked = "import agent.after_stop, sys; print(*sys.modules)"
    argv = (sys.executable, "-c", asked)
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert "agent.after_stop" in done.stdout.split()
    assert not {"asyncio", "grpc", "structlog"} & set(done.stdout.split())


def test_after_a_crash_not_even_the_arguments_matter() -> None:
    argv = (sys.executable, "-m", "agent.after_stop", "--config", "/no/such/file")
    crash = {**os.environ, **told("signal", "killed", "KILL")}
    assert subprocess.run(argv, env=crash, check=False).returncode == 0
    stop = {**os.environ, **told(*STOPPED)}
    said = subprocess.run(argv, env=stop, check=False, capture_output=True, text=True)
    assert said.returncode == 2
    assert "/no/such/file" in said.stderr


def test_what_may_be_free_soon_is_tried_again_a_little_later() -> None:
    argv = (sys.executable, "-m", "agent.after_stop")
    busy = {**os.environ, **told("exit-code", "exited", "3")}
    began = time.monotonic()
    assert subprocess.run(argv, env=busy, check=False).returncode == 0
    assert time.monotonic() - began >= PAUSE_S
