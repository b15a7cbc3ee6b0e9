"""What this user needs to make a lab: to be root, or user namespaces."""

import os
import subprocess
import sys
from typing import Final, NoReturn

from sessiond.errors import Unavailable

# In a user namespace of our own we may do to our own networks what root may. The
# user stays who he is, because a program that finds itself root where no other
# user exists, as Icecast, would not start.
_AS_ROOT_OF_OUR_OWN: Final = ("unshare", "--user", "--map-current-user", "--keep-caps")

_TRIAL: Final = ("unshare", "--net", "--mount", "--uts", "true")

# Set in the program that we become, so that it does not become itself for ever.
_MARK: Final = "SESSIOND_LAB_INSIDE"


def obtain_privilege() -> None:
    """Return if this process may make a lab, else start over as one that may.

    The process is replaced by the same command line in a user namespace, so call it
    before anything else; nothing is left to undo.

    Raises:
        Unavailable: This machine allows neither.
    """
    if _works(_TRIAL):
        return
    if _MARK in os.environ or not _works((*_AS_ROOT_OF_OUR_OWN, *_TRIAL)):
        sentence = "This user may not make network namespaces, not even own ones."
        raise Unavailable(sentence, "Run it as root: sudo sessiond demo")
    _start_over()


def _works(argv: tuple[str, ...]) -> bool:
    done = subprocess.run(argv, stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def _start_over() -> NoReturn:
    os.environ[_MARK] = "1"
    argv = (*_AS_ROOT_OF_OUR_OWN, sys.executable, *sys.orig_argv[1:])
    sys.stdout.flush()
    os.execvp(argv[0], argv)  # noqa: S606  the very program that runs already
