"""Row 23b: a host's cable is out for a while; its links must sound again, no later.

There is no audience: a meter on one host sends a sound over the link to the other host,
which sends it back. A shorter round trip than before is no fault: a queue that begins
anew may have found a lower level.
"""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from sessiond.units import Frames, Seconds
from tests.faults.asking import status_of
from tests.faults.measure import Case, Goal, Shown, hold
from tests.faults.stage import DUO
from tests.support.eventually import eventually
from tests.support.jam import RATE, jamming
from tests.support.roundtrip import (
    LOOP,
    METER,
    reports,
    round_trip,
    start_loop,
    start_meter,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

PERIOD = Frames(256)
FILE = f"name = 'jam'\nhosts = {list(DUO)}\n[links]\nchannels = 1\n"

# A queue finds its level within two of JackTrip's statistics.
_SETTLED = Seconds(3.0)


def rest(seconds: float) -> None:
    ends = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= ends, within=seconds + 5)


def play(folder: Path, seconds: float) -> Shown:
    with jamming(folder, *DUO) as jam:
        near, far = (jam.lab.host(name) for name in DUO)
        for host, (source, sink) in ((near, METER), (far, LOOP)):
            host.start_jackd(RATE, PERIOD)
            audio = {"inputs": [source], "outputs": [sink]}
            jam.start_agent(host.name, {"audio": {**audio, "jack_server": "default"}})
        meter = start_meter(near)
        start_loop(far)
        jam.await_agents(DUO)
        file = folder / "session.toml"
        file.write_text(FILE)
        created = jam.operate(near.name, "create", str(file))
        assert created.code == 0, created
        rest(_SETTLED)
        before = round_trip(meter)
        shown = [link["latency_ms"] for link in status_of(near)["links"]]
        one_way = 1000 * before / RATE / 2
        period = 1000 * PERIOD / RATE
        assert shown == [pytest.approx(one_way, abs=period)], "as it is shown"
        far.cut()
        rest(seconds)
        known = len(reports(meter))
        far.heal()
        healed = time.monotonic()
        eventually(lambda: len(reports(meter)) > known, within=30)
        took = Seconds(time.monotonic() - healed)
        rest(_SETTLED)
        after = round_trip(meter)
        assert after <= before + PERIOD, f"{before:g}, then {after:g} frames and back"
        assert [link["state"] for link in status_of(near)["links"]] == ["up"]
    return Shown(
        silence=Seconds(0.0),
        gap=Seconds(0.0),
        dropped=False,
        recovery=took,
        switches=0,
        terms=0,
        kills=0,
        shared=(),
    )


GOAL = Goal(recovery=3.0)
ALSO = "recovery: from the heal until the sound that went there is back"
SHORT = Case(
    row="23b short",
    fault="a host's cable out for 5 s",
    goal=GOAL,
    play=partial(play, seconds=5.0),
    also=ALSO,
)
LONG = Case(
    row="23b long",
    fault="a host's cable out for 60 s (in tests 15 s)",
    goal=GOAL,
    play=partial(play, seconds=60.0),
    also=ALSO,
)
CASES = (SHORT, LONG)


def test_a_link_sounds_within_3_s_of_its_cable_and_no_later_than_before(
    tmp_path: Path,
) -> None:
    hold(replace(LONG, play=partial(play, seconds=15.0)), tmp_path)
