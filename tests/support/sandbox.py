"""A unit's ``SystemCallFilter=`` without systemd: a command runs under it.

    python -m tests.support.sandbox UNIT COMMAND…

The sets are systemd's own (``systemd-analyze syscall-filter``), libseccomp makes the
filter, and a call that is not in it fails with EPERM, as the unit asks.

Source: systemd.exec(5) "SystemCallFilter="; seccomp_init(3), seccomp_rule_add(3).
"""

import ctypes
import errno
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM
_NO_NEW_PRIVILEGES: Final = 38

# Whatever the unit says, systemd lets a service be started at all.
_ALWAYS: Final = ("@default", "execve", "rt_sigreturn", "exit", "exit_group")


@cache
def expanded(name: str) -> frozenset[str]:
    """Return the system calls of a set; of a call itself, that one."""
    if not name.startswith("@"):
        return frozenset({name})
    asked = ("systemd-analyze", "syscall-filter", name)
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    words = (line.strip() for line in done.stdout.splitlines()[1:])
    return frozenset().union(*(expanded(w) for w in words if w and w[0] != "#"))


def allowed(unit: str) -> frozenset[str]:
    """Return the system calls that a unit's lines leave, read in their order."""
    found = frozenset[str]().union(*map(expanded, _ALWAYS))
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        calls = frozenset[str]().union(*map(expanded, line.lstrip("~").split()))
        found = found - calls if line.startswith("~") else found | calls
    return found


def confine(calls: frozenset[str]) -> None:
    """Refuse this process and its children all other calls from now on."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_REFUSE)))
    for name in sorted(calls):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # this architecture has it
            library.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0)
    ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if (code := library.seccomp_load(context)) != 0:
        raise OSError(-code, "seccomp_load")


def main() -> None:
    """Become the command."""
    unit, *command = sys.argv[1:]
    confine(allowed(Path(unit).read_text()))
    os.execvp(command[0], command)  # noqa: S606  the tests' own


if __name__ == "__main__":
    main()
