"""Which host listens to its mounts as the audience does, and how."""

from typing import Final

from sessiond.core.argv import own_argv
from sessiond.core.ear_messages import ear_arguments
from sessiond.core.election import Liveness
from sessiond.core.overview import listen_url
from sessiond.core.proc import ProcPlan, Program, SocketAnswers, Stage
from sessiond.core.stamped import StampedSpec
from sessiond.core.stationorder import StationOrder
from sessiond.core.view import HostSetup, SessionView
from sessiond.core.wires import MIXDOWN
from sessiond.units import ProcName

EAR: Final = ProcName("ear")


def ear_procs(view: SessionView, doc: StampedSpec) -> tuple[ProcPlan, ...]:
    """Return this host's ear, if it is the one that listens.

    That is the standby: whoever feeds the mounts does not also judge them, unless
    nobody else can. It begins once somebody is on the air, and goes on while no standby
    is named: in a takeover, and after agents have started anew. What it has heard so
    far is what tells how that sounded.
    """
    if doc.station is None or not doc.spec.mounts or not _listens(view, doc):
        return ()
    return (_ear(view.setup, StationOrder(spec=doc.spec, station=doc.station)),)


def filler_ear(view: SessionView, radio: str) -> tuple[ProcPlan, ...]:
    """Return what listens to a station outside a session: between two shows.

    Args:
        view: This turn's.
        radio: The filler's script; empty without a filler, which is not listened to.
    """
    if not radio or view.kept is None:
        return ()
    return (_ear(view.setup, view.kept),)


def _ear(setup: HostSetup, order: StationOrder) -> ProcPlan:
    folder = setup.run_folder
    urls = [listen_url(order.station, mount) for mount in order.spec.mounts]
    argv = own_argv(setup, Program.EAR, EAR, f"{folder}/{EAR}.sock")
    own = ear_arguments(urls, f"{folder}/{MIXDOWN}.sock", setup.silence)
    return ProcPlan(
        name=EAR,
        program=Program.EAR,
        # It rests on nothing here, and nothing on it: no stop waits for it.
        stage=Stage.STATION,
        argv=(*argv, *own),
        ready=SocketAnswers(),
    )


def _listens(view: SessionView, doc: StampedSpec) -> bool:
    lead = view.leadership
    if lead is None or (lead.standby is None and view.listening):
        return view.listening
    if lead.standby is None:
        listener = lead.leader if _is_alone(view, doc) else None
    else:
        listener = lead.standby
    on_air = lead.broadcaster is not None
    return listener == view.me and (view.listening or on_air)


def _is_alone(view: SessionView, doc: StampedSpec) -> bool:
    """Tell whether no other host can stand by; one not heard yet may be able to."""
    others = (name for name in doc.spec.preference if name != view.me)
    return all(
        view.liveness.get(name) is Liveness.GONE
        or (name in view.facts and not view.facts[name].able)
        for name in others
    )
