"""What is wrong with a host's sound: its JACK server, its ports, rate and period."""

from collections.abc import Iterable
from typing import Final

from sessiond.core.conditions import Condition, Reason, error, warning
from sessiond.core.observed import Observed
from sessiond.core.overview import odd_ones_out
from sessiond.core.plan import JACKD, HostPlan
from sessiond.core.stamped import StampedSpec
from sessiond.core.view import SessionView
from sessiond.core.wires import missing
from sessiond.units import Seconds

# Interfaces come and go when a cable is moved; shorter would flicker.
PORT_ABSENT_AFTER: Final = Seconds(5.0)
# JACK restarts a stumbling sound card within two seconds.
JACK_STALLED_AFTER: Final = Seconds(2.0)


def audio_conditions(
    view: SessionView, plan: HostPlan, observed: Observed, running_for: Seconds
) -> Iterable[Condition]:
    """Return what is wrong with this host's JACK server and its ports.

    Args:
        view: This host's.
        plan: What it should be doing.
        observed: What is.
        running_for: How long the JACK graph has been there.
    """
    audio = view.setup.audio
    if observed.graph is None:
        yield error(
            Reason.JACK_ABSENT,
            f'No JACK server named "{audio.jack_server}" runs on {view.me}.',
            'Start it, or set start = "if-absent" in agent.toml.',
        )
        return
    if observed.jack_still > JACK_STALLED_AFTER:
        yield error(
            Reason.JACK_STALLED,
            f'The JACK server "{audio.jack_server}" of {view.me} stands still: nothing '
            "is played or recorded.",
            "Look at its sound card, or end it and start it again.",
        )
    if plan.proc(JACKD) is not None and audio.driver == "dummy":
        yield warning(
            Reason.AUDIO_IS_DUMMY,
            f"{view.me} plays into JACK's dummy driver: no sound card is used.",
            "Set driver and device in agent.toml.",
        )
    if running_for < PORT_ABSENT_AFTER:
        return
    for reason, ports, word in (
        (Reason.INPUT_PORT_ABSENT, audio.inputs, "input"),
        (Reason.OUTPUT_PORT_ABSENT, audio.outputs, "output"),
    ):
        for port in missing(ports, observed.graph.ports):
            yield warning(
                reason,
                f"The {word} port {port} of {view.me} is not in JACK's graph.",
                f"Plug the device in, or name another port in agent.toml's {word}s.",
            )


def format_conditions(view: SessionView, doc: StampedSpec) -> Iterable[Condition]:
    """Return how this host's JACK differs from the session's."""
    mine = view.facts.get(view.me)
    if mine is None or not mine.rate_hz:
        return
    if mine.rate_hz != doc.spec.rate_hz:
        yield error(
            Reason.RATE_MISMATCH,
            f"JACK on {view.me} runs at {mine.rate_hz} Hz, the session at "
            f"{doc.spec.rate_hz} Hz.",
            f"Restart JACK with -r {doc.spec.rate_hz}.",
        )
    odd, usual = odd_ones_out(doc, view.facts)
    if view.me in odd:
        yield error(
            Reason.PERIOD_MISMATCH,
            f"JACK on {view.me} runs at {mine.period_frames} frames a period, the "
            f"session at {usual}.",
            f"Restart JACK with -p {usual}.",
        )
