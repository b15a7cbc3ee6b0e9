"""A running program of the lab: its pid, its log, its end."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from shutil import which
from typing import Final, Self

from sessiond.errors import Broken
from sessiond.units import Seconds

# A program that is asked to end and does not within this time is killed; an agent
# may take 3 s to hand over and some more to stop what it runs.
_PATIENCE: Final = Seconds(8.0)


class Program:
    """A started program; ended by its pid, never by its name.

    Attributes:
        argv: As it was asked for, without the way into the host.
        log: Where its stdout and stderr go, together.
    """

    def __init__(
        self, argv: tuple[str, ...], log: Path, child: "subprocess.Popen[bytes]"
    ) -> None:
        self.argv = argv
        self.log = log
        self._child = child

    @classmethod
    def start(
        cls,
        argv: tuple[str, ...],
        *,
        way: tuple[str, ...],
        env: Mapping[str, str],
        log: Path,
    ) -> Self:
        """Start `argv` by way of `way`, which ends by executing what follows it.

        Raises:
            Broken: The program is not installed.
        """
        if which(argv[0]) is None:
            sentence = f"The program {argv[0]} is missing."
            raise Broken(sentence, "Run ./deploy/install.")
        with log.open("ab") as sink:
            child = subprocess.Popen(
                (*way, *argv),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
                # Ctrl-C on the terminal must reach the lab only.
                start_new_session=True,
            )
        return cls(argv, log, child)

    @property
    def pid(self) -> int:
        """The program's own pid, as all of the machine sees it."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative after a signal."""
        return self._child.poll()

    @property
    def text(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send a signal; does nothing once the program has ended."""
        self._child.send_signal(number)

    def wait(self, within: Seconds) -> int:
        """Return its exit code; raises TimeoutError when it runs on."""
        try:
            return self._child.wait(within)
        except subprocess.TimeoutExpired as e:
            raise TimeoutError(f"{self.argv[0]} runs on after {within:g} s") from e

    def stop(self, within: Seconds = _PATIENCE) -> int:
        """Ask it to end, insist after `within`, and return its exit code."""
        self.send(signal.SIGTERM)
        try:
            return self.wait(within)
        except TimeoutError:
            return self.kill()

    def kill(self) -> int:
        """End it at once and return its exit code."""
        self.send(signal.SIGKILL)
        return self._child.wait()
