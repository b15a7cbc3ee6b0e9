"""The lab itself: makes the switch and the hosts, and takes all of it away again."""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sessiond.cli.lab import holder, network
from sessiond.cli.lab.agentfile import make_studio
from sessiond.cli.lab.hosts import LabHost
from sessiond.cli.lab.network import Outlet
from sessiond.errors import Unavailable


class Lab:
    """Some hosts on one switch, from `__enter__` to `__exit__`.

    Whatever ends the block, also Ctrl-C, takes every process, namespace and folder
    along; when this very process is killed, the holders see it and do the same.

    Args:
        prefix: What the folder's name starts with.
        hosts: Their names, in the order of their addresses.
        far: Which of them are in a second network, behind a router.
        folder: Where logs and states go and stay; None makes one that goes too.
    """

    def __init__(
        self,
        prefix: str,
        *,
        hosts: Sequence[str],
        far: Collection[str] = (),
        folder: Path | None = None,
    ) -> None:
        self._prefix = prefix
        self._names = tuple(hosts)
        self._far = frozenset(far)
        self._folder = folder
        self._made_folder: Path | None = None
        self._holders: list[subprocess.Popen[bytes]] = []
        self._hosts: dict[str, LabHost] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self._make()
            undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def host(self, name: str) -> LabHost:
        """Return the host of that name; raises KeyError."""
        return self._hosts[name]

    @property
    def hosts(self) -> tuple[LabHost, ...]:
        """All hosts, in the order of their addresses."""
        return tuple(self._hosts.values())

    @property
    def folder(self) -> Path:
        """What holds every host's folder."""
        found = self._folder or self._made_folder
        assert found is not None, "the lab is open"  # noqa: S101
        return found

    @property
    def networks(self) -> frozenset[int]:
        """The inodes of all network namespaces of this lab, for `leaks`."""
        return frozenset(host.network for host in self._hosts.values())

    def close(self) -> None:
        """Take everything away; safe to call twice, and on half a lab."""
        for host in self._hosts.values():
            host.end_programs()
        for held in self._holders:
            _let_go(held)
        for held in self._holders:
            held.wait()
        if self._made_folder is not None:
            shutil.rmtree(self._made_folder, ignore_errors=True)

    def _make(self) -> None:
        if self._folder is None:
            self._made_folder = Path(tempfile.mkdtemp(prefix=f"{self._prefix}-"))
        # All start together, and the slow part of a host is its interpreter.
        for name in ("switch", *self._names):
            self._holders.append(_start_holder(name))
        switch, *others = self._holders
        _await_ready("switch", switch)
        network.make_switch(switch.pid)
        if self._far:
            network.make_router(switch.pid)
        studio = self.folder / "studio.token"
        make_studio(studio)
        for number, (name, held) in enumerate(zip(self._names, others, strict=True), 1):
            _await_ready(name, held)
            outlet = Outlet(
                number=number, house=int(name in self._far), routed=bool(self._far)
            )
            network.plug_in(switch.pid, held.pid, outlet)
            folder = self.folder / name
            folder.mkdir(parents=True, exist_ok=True)
            self._hosts[name] = LabHost(
                name,
                outlet=outlet,
                folder=folder,
                holder=held.pid,
                switch=switch.pid,
                studio=studio,
            )


def leaks(networks: frozenset[int]) -> tuple[str, ...]:
    """Return a sentence for each process that still lives in one of the networks.

    A namespace, its cable and its mounts last exactly as long as a process in it.

    Args:
        networks: `Lab.networks`, taken while the lab was open.
    """
    found = ((inode, pid) for inode in networks for pid in holder.pids_in(inode))
    return tuple(f"process {pid} still lives in network {i}" for i, pid in found)


def _start_holder(name: str) -> "subprocess.Popen[bytes]":
    argv = (sys.executable, "-I", "-S", holder.__file__, name)
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _await_ready(name: str, held: "subprocess.Popen[bytes]") -> None:
    assert held.stdout is not None  # noqa: S101  asked for above
    if held.stdout.readline() != b"ready\n":
        sentence = f"The lab's host {name} could not be made: no namespaces allowed."
        raise Unavailable(sentence, "Run it as root.")


def _let_go(held: "subprocess.Popen[bytes]") -> None:
    """Tell a holder to kill everything in its namespaces and to end."""
    for pipe in (held.stdin, held.stdout):
        if pipe is not None:
            pipe.close()
