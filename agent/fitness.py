"""Whether this host can take part in a session at all, before anything is started."""

from agent.adapters.executables import PACKAGES, programs
from agent.host import Host
from sessiond.core.plan import JACKD
from sessiond.core.spec import SessionSpec
from sessiond.errors import Broken, Refused


def require_fit(host: Host, spec: SessionSpec) -> None:
    """Return if this host can play in the session.

    Without a JACK server it can: the session waits for one.

    Raises:
        Refused: Its JACK server, which is not ours to restart, has another rate.
        Broken: JackTrip is missing.
    """
    if len(spec.hosts) > 1:
        _require_program(host, "jacktrip")
    graph = host.observed.graph
    if graph is None or graph.rate_hz == spec.rate_hz or host.plan.proc(JACKD):
        return
    raise Refused(
        f"JACK on {host.name} runs at {graph.rate_hz} Hz, the session at "
        f"{spec.rate_hz} Hz.",
        f"Set rate_hz = {graph.rate_hz}, or restart JACK on {host.name} with "
        f"-r {spec.rate_hz}.",
    )


def require_station(host: Host) -> None:
    """Return if this host can run an Icecast of its own.

    Raises:
        Broken: The program is missing.
    """
    _require_program(host, "icecast2")


def _require_program(host: Host, program: str) -> None:
    if programs()[program] is None:
        raise Broken(
            f"The program {program} is missing on {host.name}.",
            f"Install the Debian package {PACKAGES[program]} there.",
        )
