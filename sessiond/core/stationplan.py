"""What the station on a host runs: Icecast, and the filler where it keeps one.

A session's own Icecast runs where the session was created, and ends with it. A host
with a ``[station]`` table goes on: with the mounts of that session, or of a file that
it was given, so that who listens between two shows hears music.
"""

import hashlib
from dataclasses import replace
from typing import Final

from sessiond.core.argv import icecast_argv, liquidsoap_argv
from sessiond.core.proc import ProcPlan, Program, Settled, Stage, StationAnswers
from sessiond.core.radio_liq import radio_liq
from sessiond.core.stamped import StampedSpec
from sessiond.core.stationorder import StationOrder
from sessiond.core.view import HostSetup, SessionView
from sessiond.units import ProcName, Seconds

ICECAST: Final = ProcName("icecast")
FILLER: Final = ProcName("filler")

# Icecast 2.4.4 that is connected to earlier may crash (decision 17).
_ICECAST_STARTS: Final = Seconds(1.0)
# It reads its own library for three seconds before it connects to anything.
_FILLER_STARTS: Final = Seconds(5.0)


def station_order(view: SessionView, doc: StampedSpec | None) -> StationOrder | None:
    """Return what the Icecast on this host serves; None when it runs none.

    Args:
        view: This turn's.
        doc: The session's document while it asks something of this host.
    """
    if doc is not None and doc.station is not None and doc.station.host == view.me:
        return StationOrder(spec=doc.spec, station=doc.station)
    return None if view.setup.keeps is None else view.kept


def radio_script(setup: HostSetup, order: StationOrder | None) -> str:
    """Return the filler's script; empty without a filler."""
    if order is None or setup.keeps is None or not order.spec.mounts:
        return ""
    return radio_liq(
        order,
        setup.keeps,
        passwords_file(setup),
        as_root=setup.is_root and not setup.filler_user,
    )


def station_procs(
    setup: HostSetup, order: StationOrder | None, script: str
) -> tuple[ProcPlan, ...]:
    """Return the station's processes, by name."""
    if order is None:
        return ()
    icecast = ProcPlan(
        name=ICECAST,
        program=Program.ICECAST,
        stage=Stage.STATION,
        argv=icecast_argv(f"{setup.station_folder}/icecast.xml"),
        ready=StationAnswers(),
    )
    if setup.keeps is not None:
        # Outside a session nobody asks it how it is. It reads its file again, but
        # stays on its port: another one is another process.
        port = {"SESSIOND_PORT": str(order.station.port)}
        icecast = replace(icecast, env=port, ready=Settled(_ICECAST_STARTS))
    return (_filler(setup, script), icecast) if script else (icecast,)


def script_file(setup: HostSetup) -> str:
    """Return where the filler's script lies."""
    return f"{setup.station_folder}/radio.liq"


def passwords_file(setup: HostSetup) -> str:
    """Return where the filler reads the mounts' passwords."""
    return f"{setup.station_folder}/passwords"


def _filler(setup: HostSetup, script: str) -> ProcPlan:
    return ProcPlan(
        name=FILLER,
        program=Program.LIQUIDSOAP,
        stage=Stage.STATION,
        argv=liquidsoap_argv(script_file(setup)),
        env={
            # The script is read once: another one is another process.
            "SESSIOND_SCRIPT": hashlib.sha256(script.encode()).hexdigest()[:16],
            # A next-track server on this host is asked itself, not by way of a proxy.
            "no_proxy": "localhost,127.0.0.1,::1",
        },
        needs=frozenset({ICECAST}),
        ready=Settled(_FILLER_STARTS),
        user=setup.filler_user,
    )
