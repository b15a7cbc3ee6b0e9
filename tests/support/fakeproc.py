"""A real program that does what its arguments say: `fakeproc --run-for 2 …`.

Started for tests of processes, in place of a program that would need a network or a
sound card. `Behaviour` is its argument list as a value; the fake door reads it too.
"""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

# Longer than any test; a straggler of a broken test ends by itself.
FOR_EVER = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What a fakeproc does.

    Attributes:
        run_for: Seconds until it ends by itself.
        prints: Lines that it writes at its start.
        flood: So many bytes of output at its start, after the lines.
        child: It starts a child of its own, which would outlive it.
    """

    run_for: float = FOR_EVER
    exit_code: int = 0
    ignore_term: bool = False
    prints: tuple[str, ...] = ()
    flood: int = 0
    child: bool = False

    @property
    def argv(self) -> tuple[str, ...]:
        """The argument list that starts it."""
        words = [sys.executable, __file__, "--run-for", str(self.run_for)]
        words += ["--exit-code", str(self.exit_code), "--flood", str(self.flood)]
        words += ["--ignore-term"] * self.ignore_term + ["--child"] * self.child
        for line in self.prints:
            words += ["--print", line]
        return tuple(words)

    @classmethod
    def of(cls, argv: Sequence[str]) -> Self:
        """Read the arguments of an argument list that `argv` made."""
        parser = argparse.ArgumentParser(prog="fakeproc")
        parser.add_argument("--run-for", type=float, default=FOR_EVER)
        parser.add_argument("--exit-code", type=int, default=0)
        parser.add_argument("--ignore-term", action="store_true")
        parser.add_argument("--print", dest="prints", action="append", default=[])
        parser.add_argument("--flood", type=int, default=0)
        parser.add_argument("--child", action="store_true")
        asked = parser.parse_args(argv)
        return cls(**{**vars(asked), "prints": tuple(asked.prints)})


def main() -> int:
    """Do as told; return the exit code."""
    asked = Behaviour.of(sys.argv[1:])
    if asked.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if asked.child:
        child = subprocess.Popen(Behaviour(ignore_term=True).argv)
        sys.stdout.write(f"child {child.pid}\n")
    for line in asked.prints:
        sys.stdout.write(line + "\n")
    sys.stdout.write(("x" * 63 + "\n") * (asked.flood // 64))
    sys.stdout.flush()
    time.sleep(asked.run_for)
    return asked.exit_code


if __name__ == "__main__":
    sys.exit(main())
