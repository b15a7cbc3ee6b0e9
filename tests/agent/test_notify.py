import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.notify import READY, Notifier


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(5)
        yield line


def test_what_is_said_arrives_as_lines(supervisor: socket.socket) -> None:
    Notifier({"NOTIFY_SOCKET": supervisor.getsockname()}).tell(READY, "STATUS=fine")
    assert supervisor.recv(99) == b"READY=1\nSTATUS=fine"


def test_a_name_with_an_at_sign_is_abstract() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(f"\0sessiond-test-{os.getpid()}")
        line.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@sessiond-test-{os.getpid()}"}).tell(READY)
        assert line.recv(99) == b"READY=1"


def test_without_a_supervisor_nothing_is_said_and_none_expected() -> None:
    notifier = Notifier({})
    notifier.tell(READY)
    assert notifier.watchdog is None


def test_a_supervisor_that_is_gone_or_busy_holds_nothing_up(
    tmp_path: Path, supervisor: socket.socket
) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell(READY)
    busy = Notifier({"NOTIFY_SOCKET": supervisor.getsockname()})
    for _ in range(1000):  # the kernel keeps some ten unread datagrams
        busy.tell(READY)


def test_children_inherit_nothing_of_it_and_a_successor_all() -> None:
    concerns = {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "5", "WATCHDOG_PID": "7"}
    environment = {"PATH": "/bin", **concerns}
    assert Notifier(environment).taken == concerns
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("pid", "period"),
    [
        ({}, 5.0),
        ({"WATCHDOG_PID": str(os.getpid())}, 5.0),
        ({"WATCHDOG_PID": "1"}, None),
    ],
)
def test_a_watchdog_that_waits_for_another_process_is_not_ours(
    pid: dict[str, str], period: float | None
) -> None:
    assert Notifier({"WATCHDOG_USEC": "5000000", **pid}).watchdog == period


def test_a_period_that_is_no_number_is_none() -> None:
    assert Notifier({"WATCHDOG_USEC": "soon"}).watchdog is None
