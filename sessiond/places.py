"""Where things lie on a host, for the agent and the command line alike."""

from collections.abc import Mapping
from typing import Final

AGENT_SOCKET: Final = "agent.sock"
"""In the state folder: where the agent answers its own host."""

AGENT_PORT: Final = 7700
"""TCP, where an agent answers other hosts."""


def default_state_dir(environment: Mapping[str, str], *, root: bool) -> str:
    """Return the state folder of an agent that has no configuration.

    Source: XDG Base Directory Specification 0.8; ``/var/lib`` is FHS 3.0 section 5.8.
    """
    if root:
        return "/var/lib/sessiond"
    home = environment.get("HOME", "/")
    state_home = environment.get("XDG_STATE_HOME", "")
    # The specification says to ignore a relative path.
    if not state_home.startswith("/"):
        state_home = f"{home.rstrip('/')}/.local/state"
    return f"{state_home.rstrip('/')}/sessiond"


def default_config_file(environment: Mapping[str, str]) -> str:
    """Return where an agent looks for its configuration when it is told nothing."""
    return f"{environment.get('HOME', '').rstrip('/')}/.config/sessiond/agent.toml"


def default_identity_dir(environment: Mapping[str, str]) -> str:
    """Return where this person's own identity lies, and whom it has met."""
    chosen = environment.get("SESSIOND_IDENTITY", "")
    return chosen or f"{environment.get('HOME', '').rstrip('/')}/.config/sessiond"
