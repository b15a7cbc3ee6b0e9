"""A computer on the network that is no member can't take a link for more than 3 s.

It sends stop packets, garbage and what looks like a peer's audio to both ends of a
link, in its own name and in the peer's. JackTrip's UDP has nothing to tell them apart
by, so what is promised is how soon the musicians hear each other once it is over.
SECURITY.md says what is not: anything while somebody goes on forging an address.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from sessiond.cli.lab import LabHost
from sessiond.units import Frames, Seconds
from tests.faults.asking import reasons_on, running_on, status_of
from tests.faults.breaking import signal_those
from tests.faults.hearing import silent_for
from tests.support.eventually import eventually
from tests.support.forger import PERIOD_FRAMES
from tests.support.jam import Jam, jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

DUO = ("alice", "bob")
STRANGER = "carol"

# How long one may not hear the other once the last datagram has come.
WITHIN = Seconds(3.0)

ATTACK = Seconds(1.5)


@contextmanager
def linked(folder: Path) -> Iterator[Jam]:
    """Open a session of two whose link is up, with a third computer beside them."""
    with jamming(folder, *DUO, STRANGER) as jam:
        for name in DUO:
            jam.start_audio(name, Frames(PERIOD_FRAMES))
            jam.start_agent(name)
        jam.await_agents(DUO)
        file = folder / "session.toml"
        # Channels and period as the forger's audio has them.
        file.write_text(f"name = 'jam'\nhosts = {list(DUO)}\n")
        created = jam.operate(DUO[0], "create", str(file))
        assert created.code == 0, created
        eventually(lambda: is_up(jam.lab.host(DUO[0])), within=30)
        yield jam


def is_up(host: LabHost) -> bool:
    return [link["state"] for link in status_of(host)["links"]] == ["up"]


def port_of(host: LabHost) -> int:
    (link,) = status_of(host)["links"]
    return int(link["udp_port"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What a stranger sends to both ends of a link."""

    stranger: LabHost
    ends: tuple[LabHost, LabHost]
    port: int
    kind: str
    forged: bool

    def __call__(self) -> None:
        """Begin it; it ends by itself."""
        for target, peer in (self.ends, self.ends[::-1]):
            source = peer if self.forged else self.stranger
            places = (f"{place.address}:{self.port}" for place in (source, target))
            module = (sys.executable, "-m", "tests.support.forger", self.kind)
            self.stranger.spawn(
                (*module, *places, str(ATTACK)), log=f"forger-{target.name}"
            )


def attacks(jam: Jam, *kinds: str, forged: bool = False) -> Iterator[Attack]:
    """Yield one after the other, each once the link is up again."""
    one, other = (jam.lab.host(name) for name in DUO)
    for kind in kinds:
        eventually(lambda: is_up(one) and is_up(other), within=10)
        yield Attack(
            stranger=jam.lab.host(STRANGER),
            ends=(one, other),
            port=port_of(one),
            kind=kind,
            forged=forged,
        )


def test_a_stranger_in_its_own_name_takes_a_link_for_3_s_at_most(
    tmp_path: Path,
) -> None:
    with linked(tmp_path) as jam:
        for attack in attacks(jam, "garbage", "audio", "stop"):
            one, other = attack.ends
            before = running_on(one), running_on(other)
            silent = silent_for(one, other, attack, seconds=ATTACK + WITHIN + 1)
            assert silent <= ATTACK + WITHIN, f"{attack.kind}: {silent:.1f} s"
            # JackTrip ends at anybody's stop packet, and hears its peer alone.
            same = (running_on(one), running_on(other)) == before
            assert same == (attack.kind != "stop"), attack.kind


def test_a_stranger_in_a_peers_name_takes_a_link_for_3_s_at_most(
    tmp_path: Path,
) -> None:
    with linked(tmp_path) as jam:
        for attack in attacks(jam, "stop", "garbage", "audio", forged=True):
            one, other = attack.ends
            silent = silent_for(one, other, attack, seconds=ATTACK + WITHIN + 1)
            assert silent <= ATTACK + WITHIN, f"{attack.kind}: {silent:.1f} s"
            eventually(partial(is_up, one), within=10)
            assert not {"ProcGaveUp"} & {*reasons_on(one), *reasons_on(other)}


def test_a_stranger_who_is_first_at_a_new_link_does_not_keep_it(tmp_path: Path) -> None:
    """A JackTrip server takes the first datagram's sender for its peer."""
    with linked(tmp_path) as jam:
        for attack in attacks(jam, "garbage", "audio"):
            one, other = attack.ends
            breaks = partial(_attack_a_new_link, attack)
            silent = silent_for(one, other, breaks, seconds=ATTACK + WITHIN + 1)
            assert silent <= ATTACK + WITHIN, f"{attack.kind}: {silent:.1f} s"


def _attack_a_new_link(attack: Attack) -> None:
    attack()
    for host, peer in (attack.ends, attack.ends[::-1]):
        name = f"link-{peer.name}"
        signal_those(host, "jacktrip", name, number=signal.SIGKILL)
