"""Every host's plan, as lines for a person and as a document for a script."""

import shlex
from collections.abc import Iterator, Mapping

from sessiond.cli.document import Document
from sessiond.core.plan import HostPlan
from sessiond.core.sourcing import ffmpeg_argv
from sessiond.units import HostName


def plans_document(session: str, plans: Mapping[HostName, HostPlan]) -> Document:
    """Return ``check --json``: what each host would run and wire."""
    return {
        "session": session,
        "hosts": [{"name": name, **_plan(plan)} for name, plan in plans.items()],
    }


def plan_lines(plan: HostPlan) -> Iterator[str]:
    """Yield what one host would run and wire, as a shell would be told."""
    for proc in plan.procs:
        settings = (f"{key}={proc.env[key]}" for key in sorted(proc.env))
        yield f"{proc.name}: {shlex.join((*settings, *proc.argv))}"
    for name, order in plan.sources.items():
        yield f"{name} encodes with: {shlex.join(ffmpeg_argv(order))}"
    for wire in sorted(plan.wires):
        yield f"wire: {wire.source} → {wire.destination}"


def _plan(plan: HostPlan) -> Document:
    return {
        "procs": [
            {
                "name": proc.name,
                "program": proc.program,
                "argv": list(proc.argv),
                "env": dict(proc.env),
                "needs": sorted(proc.needs),
            }
            for proc in plan.procs
        ],
        "encoders": [
            {"name": name, "argv": list(ffmpeg_argv(order))}
            for name, order in plan.sources.items()
        ],
        "wires": [[wire.source, wire.destination] for wire in sorted(plan.wires)],
    }
