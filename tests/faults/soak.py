"""`make soak MINUTES=30`: six hosts, and a fault at random every 20 seconds.

    python -m tests.faults.soak [--minutes N] [--seed N] [--logs FOLDER]

The faults are drawn from the seed, which is printed, so that a run can be had again.
Invariants are looked at after every fault. At the end all is mended, and exactly one
host must broadcast with all links up; then the session is stopped, and nothing of it
may be left: no process, descriptor, JACK client or mount. A round in which others had a
quarter of the machine says so; `--logs` keeps what the hosts wrote.
"""

import argparse
import random
import re
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sessiond.cli.lab import LabHost
from tests.faults.asking import status_of
from tests.faults.audience import sources_on
from tests.faults.breaking import (
    audio_again,
    jack_may_start,
    join,
    part,
    pause,
    pids_with,
    resume,
    signal_those,
    start_icecast_again,
)
from tests.faults.measure import holdings, shared_in
from tests.faults.stage import PRIMARY, Stage, staged, whole
from tests.support.eventually import eventually
from tests.support.jam import SESSION, SINES
from tests.support.steal import ROBBED, StealWatch

HOSTS: Final = tuple(SINES)
EVERY: Final = 20.0

# Invariant 5: within 10 s of the end of the last fault somebody is on the mount.
_MENDED_AFTER: Final = 8.0
_HELD_WITHIN: Final = EVERY - _MENDED_AFTER
_WHOLE_WITHIN: Final = 90.0

# Connections that come and go: listeners, time servers, calls from peers.
_FEW_DESCRIPTORS: Final = 12

_LEADERSHIP: Final = re.compile(
    r"event='leadership'.* term=(?P<term>\d+) leader=\S+ my_role=(?P<role>\S+)"
)

Mend = Callable[[], None]


@dataclass(slots=True, kw_only=True)
class Soak:
    """A run: what happens, and what was found."""

    stage: Stage
    chance: random.Random
    steal: StealWatch
    found: list[str] = field(default_factory=list)

    # --- faults: each breaks something and returns how it is mended ----------------

    def _any_host(self) -> LabHost:
        return self.stage.host(self.chance.choice(HOSTS))

    def source_killed(self) -> Mend:
        return self._ended("agent.source")

    def encoder_killed(self) -> Mend:
        return self._ended("ffmpeg")

    def encoder_stopped(self) -> Mend:
        return self._ended("ffmpeg", signal.SIGSTOP)

    def mixdown_killed(self) -> Mend:
        return self._ended("agent.mixdown")

    def link_killed(self) -> Mend:
        return self._ended("jacktrip")

    def _ended(self, word: str, number: signal.Signals = signal.SIGKILL) -> Mend:
        running = [
            host for host in map(self.stage.host, HOSTS) if pids_with(host, word)
        ]
        if running:
            signal_those(self.chance.choice(running), word, number=number)
        return lambda: None

    def agent_killed(self) -> Mend:
        host = self._any_host()
        self.stage.jam.agents[host.name].kill()
        return lambda: self._agent_again(host)

    def _agent_again(self, host: LabHost) -> None:
        self.stage.jam.start_agent(host.name)
        self.stage.jam.await_agents([host.name])

    def host_killed(self) -> Mend:
        host = self._any_host()
        host.kill_all()
        return lambda: self._host_again(host)

    def _host_again(self, host: LabHost) -> None:
        self.stage.jam.start_agent(host.name)
        jack_may_start(host)
        self.stage.jam.start_audio(host.name)
        self.stage.jam.await_agents([host.name])

    def host_paused(self) -> Mend:
        host = self._any_host()
        pause(host)
        return lambda: resume(host)

    def cable_out(self) -> Mend:
        host = self._any_host()
        host.cut()
        return host.heal

    def two_parted(self) -> Mend:
        one, other = map(self.stage.host, self.chance.sample(HOSTS, 2))
        part(one, other)
        return lambda: join(one, other)

    def one_way(self) -> Mend:
        one, other = map(self.stage.host, self.chance.sample(HOSTS, 2))
        one.one_way_loss(other)
        return lambda: one.end_one_way_loss(other)

    def jack_killed(self) -> Mend:
        host = self._any_host()
        signal_those(host, "jackd")
        return lambda: audio_again(host)

    def icecast_killed(self) -> Mend:
        self.stage.icecast.kill()

        def again() -> None:
            self.stage.icecast = start_icecast_again(self.stage.jam.station)

        return again

    def faults(self) -> list[Callable[[], Mend]]:
        """Return every fault there is, in an order that a seed can rely on."""
        return [
            *(self.source_killed, self.encoder_killed, self.encoder_stopped),
            *(self.mixdown_killed, self.link_killed, self.agent_killed),
            *(self.host_killed, self.host_paused, self.cable_out, self.two_parted),
            *(self.one_way, self.jack_killed, self.icecast_killed),
        ]

    # --- rounds ---------------------------------------------------------------------

    def round(self, number: int) -> None:
        """Break one thing, mend it, and look whether the invariants hold."""
        begun = time.monotonic()
        fault = self.chance.choice(self.faults())
        say(f"{number}: {fault.__name__}")
        mend = fault()
        self.stage.play_on(_MENDED_AFTER)
        mend()
        self._sees("nobody is on the primary mount", self._held, _HELD_WITHIN)
        self.found += self.broken()
        if (stolen := self.steal.worst_since(begun)) >= ROBBED:
            say(f"   others had {stolen:.0%} of the processors' time in a second of it")
        left = EVERY - (time.monotonic() - begun)
        if left > 0:
            self.stage.play_on(left)

    def _held(self) -> bool:
        self._icecast_again_where_it_crashed()
        look = self.stage.look()
        return look.mounts is not None and PRIMARY in look.mounts

    def _icecast_again_where_it_crashed(self) -> None:
        """Do as its owner would: Icecast 2.4.4 may crash on whoever calls early."""
        code = self.stage.icecast.exit_code
        if code is not None:
            say(f"   Icecast has ended by itself, with {code}: started again")
            self.stage.icecast = start_icecast_again(self.stage.jam.station)

    def _sees(self, sentence: str, holds: Callable[[], bool], within: float) -> None:
        try:
            eventually(holds, within=within)
        except AssertionError as e:
            self.found.append(f"{sentence}: {e}")
            say(self.found[-1])

    def broken(self) -> list[str]:
        """Return a sentence for each invariant that logs and looks disprove."""
        sentences = [*shared_in(self.stage.icecast.text)]
        leaders: dict[int, set[str]] = {}
        for name, agent in self.stage.jam.agents.items():
            terms = []
            for line in _LEADERSHIP.finditer(agent.text):
                terms.append(int(line["term"]))
                # A caretaker keeps the term of the leader that it does not hear.
                if line["role"] == "'leader'":
                    leaders.setdefault(terms[-1], set()).add(name)
            if terms != sorted(terms):
                sentences.append(f"a term fell on {name}: {terms}")
        sentences += [
            f"term {term} had the leaders {', '.join(sorted(names))}"
            for term, names in leaders.items()
            if len(names) > 1
        ]
        return [one for one in sentences if one not in self.found]


def say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def descriptors(stage: Stage) -> dict[str, int]:
    """Return how many descriptors each agent holds."""
    return {
        name: len(list(Path(f"/proc/{agent.pid}/fd").iterdir()))
        for name, agent in stage.jam.agents.items()
    }


def one_broadcaster(stage: Stage) -> bool:
    """Tell that every host names the same broadcaster."""
    named = {status_of(stage.host(name))["broadcaster"] for name in HOSTS}
    assert len(named) == 1, named
    assert named != {None}
    return True


def programs(host: LabHost) -> Counter[str]:
    """Return how many of each of our programs run on a host."""
    words = ("jacktrip", "ffmpeg", "agent.mixdown", "agent.source", "jackd", "agent")
    return Counter({word: len(pids_with(host, word)) for word in words})


def clients(host: LabHost) -> frozenset[str]:
    """Return the JACK clients on a host that have ports."""
    listing = host.run(("jack_lsp", "-s", "default"))
    return frozenset(line.partition(":")[0] for line in listing.splitlines())


def leftovers(stage: Stage) -> list[str]:
    """Return what is left of a stopped session."""
    found = []
    for host in map(stage.host, HOSTS):
        ours = stage.jam.ours_on(host.name)
        found += [f"{word} runs on {host.name}" for word in sorted(ours)]
        others = clients(host) - {"system", "music", "phones"}
        found += [f"{host.name} has the JACK client {name}" for name in sorted(others)]
    found += [f"mount {path}" for path in sources_on(stage.jam.station)]
    return found


def soak(folder: Path, minutes: float, seed: int) -> list[str]:
    """Return a sentence for everything that went wrong; empty is good."""
    with staged(folder, *HOSTS) as stage, StealWatch() as steal:
        chance = random.Random(seed)  # noqa: S311  replayable
        run = Soak(stage=stage, chance=chance, steal=steal)
        before = descriptors(stage)
        ends = time.monotonic() + 60 * minutes
        number = 0
        while time.monotonic() < ends:
            number += 1
            run.round(number)
        run._sees("not whole", lambda: whole(stage.jam), _WHOLE_WITHIN)
        run._sees("no agreement", lambda: one_broadcaster(stage), _WHOLE_WITHIN)
        stage.play_on(EVERY)
        after = descriptors(stage)
        # Whoever leads holds more than the others, and that may be another one now.
        most = max(before.values())
        run.found += [
            f"{name}'s agent holds {after[name]} descriptors; the most were {most}"
            for name in HOSTS
            if after[name] > most + _FEW_DESCRIPTORS
        ]
        say(f"descriptors: {before} at the beginning, {after} at the end")
        run.found += run.broken()
        hands = len(holdings(stage.audience.looks, PRIMARY))
        say(f"{number} faults; seen {hands} times with a source")
        stopped = stage.jam.operate(HOSTS[0], "stop", SESSION)
        run.found += [] if stopped.code == 0 else [f"stop: {stopped.err}"]
        run._sees("something is left", lambda: not leftovers(stage), _WHOLE_WITHIN)
        run.found += leftovers(stage)
        return run.found


def main() -> None:
    """Soak, and end with 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument(
        "--logs", type=Path, help="an empty folder for what hosts write"
    )
    asked = parser.parse_args()
    say(f"seed {asked.seed}")
    with tempfile.TemporaryDirectory(prefix="sessiond-soak-") as folder:
        found = soak(asked.logs or Path(folder), asked.minutes, asked.seed)
    for sentence in found:
        say(sentence)
    say("all invariants held" if not found else f"{len(found)} findings")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
