"""Which host listens to the session's mounts as the audience does, and how."""

from typing import Final

from sessiond.core.argv import own_argv
from sessiond.core.ear_messages import ear_arguments
from sessiond.core.overview import listen_url
from sessiond.core.proc import ProcPlan, Program, SocketAnswers, Stage
from sessiond.core.stamped import StampedSpec
from sessiond.core.view import SessionView
from sessiond.core.wires import MIXDOWN
from sessiond.units import ProcName

EAR: Final = ProcName("ear")


def ear_procs(view: SessionView, doc: StampedSpec) -> tuple[ProcPlan, ...]:
    """Return this host's ear, if it is the one that listens.

    That is the standby: whoever feeds the mounts does not also judge them, unless
    nobody else is there. It begins once somebody is on the air, and goes on through a
    takeover, when for a moment nobody leads: what it has heard so far is what tells
    how the takeover sounded.
    """
    lead = view.leadership
    if lead is None or doc.station is None or not doc.spec.mounts:
        return ()
    listener = lead.standby or lead.leader
    goes_on = view.listening and listener in (view.me, None)
    begins = lead.broadcaster is not None and listener == view.me
    if not (goes_on or begins):
        return ()
    folder = view.setup.run_folder
    urls = [listen_url(doc.station, mount) for mount in doc.spec.mounts]
    argv = own_argv(view.setup, Program.EAR, EAR, f"{folder}/{EAR}.sock")
    own = ear_arguments(urls, f"{folder}/{MIXDOWN}.sock", view.setup.silence)
    return (
        ProcPlan(
            name=EAR,
            program=Program.EAR,
            # It rests on nothing here, and nothing on it: no stop waits for it.
            stage=Stage.STATION,
            argv=(*argv, *own),
            ready=SocketAnswers(),
        ),
    )
