"""What systemd runs when an agent has ended: only a wanted stop ends its children.

After a crash the music plays on and the next agent takes it over, so this looks at
systemd's verdict before anything else is imported: the next agent waits for it.

Source: systemd.exec(5), $SERVICE_RESULT; each row was seen with systemd 252.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

WANTED: Final = frozenset(
    {
        # Ended in order.
        ("success", "exited", "0"),
        # Told to end before it could take signals: what a crash before it left.
        ("success", "killed", "TERM"),
        ("success", "killed", "INT"),
        # It took too long to end. (A start that takes too long ends with ABRT: see
        # TimeoutStartFailureMode= in the units.)
        ("timeout", "exited", "0"),
        ("timeout", "killed", "KILL"),
    }
)
"""$SERVICE_RESULT, $EXIT_CODE and $EXIT_STATUS of a stop that somebody asked for."""

BUSY: Final = ("exit-code", "exited", "3")
"""The same, of an agent that could not start for now: a busy port, a full disk."""

# Trying again at once would cost most of a core, beside music that plays on.
PAUSE_S: Final = 2.0

_VARIABLES: Final = ("SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS")


def verdict(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return how the agent ended, as systemd describes it."""
    return tuple(environment.get(name, "") for name in _VARIABLES)


def main(arguments: Sequence[str]) -> int:
    """End the agent's children if its end was wanted; takes the agent's arguments."""
    seen = verdict(os.environ)
    if seen == BUSY:
        time.sleep(PAUSE_S)
    if seen not in WANTED:
        return 0
    from agent.main import main as agent_main  # noqa: PLC0415  a crash can't wait

    return agent_main([*arguments, "--end-children"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
