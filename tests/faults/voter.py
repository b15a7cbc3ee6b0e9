"""A voter that is killed between any two steps of its writes, again and again.

    python -m tests.faults.voter FOLDER SEED LIVES

One life is a forked process: the agent's own elector on the agent's own state folder,
asked for its vote by two others and standing itself. Somewhere in it a write of the
state is cut off by kill -9. What it says to others is one JSON line on stdout, written
before the next step: ``{"life": 2, "vote": 5, "for": "bob"}``, and at its start what it
has loaded: ``{"life": 2, "term": 4, "voted_for": "alice"}``.
"""

import asyncio
import json
import os
import random
import signal
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from agent.adapters.disk import DiskStore
from agent.elect import Elector
from sessiond.core.election import (
    AbilityChanged,
    DocumentOffer,
    ElectorConfig,
    Message,
    Persisted,
    Presence,
    PreVoteAnswer,
    PreVoteRequest,
    VoteAnswer,
    VoteRequest,
    Woke,
)
from sessiond.core.stamped import Stamp
from sessiond.units import HostName, Seconds, Term
from sessiond.wire.convert import decode, encode
from tests.sim.documents import SESSION, document
from tests.support.fakes import FakeClock

ALICE, BOB, CAROL = (HostName(name) for name in ("alice", "bob", "carol"))

STEPS: Final = (
    *("create", "write", "write the rest", "sync file"),
    *("rename", "sync folder", "return"),
)

# Three leases: nobody is heard any more, and a voter that just started may vote.
_LATER: Final = 9.0

_STAMP: Final = Stamp(Term(0), 1)


@dataclass(slots=True, kw_only=True)
class Death:
    """Which write is cut off, and before which of its steps."""

    write: int
    step: str
    writes: int = 0

    def __call__(self, step: str) -> None:
        """Die if it is time."""
        self.writes += step == STEPS[0]
        if (self.writes, step) == (self.write, self.step):
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(slots=True, kw_only=True)
class Life:
    """Carol from one start of her agent to its end."""

    number: int
    store: DiskStore
    chance: random.Random
    clock: FakeClock = field(default_factory=FakeClock)

    async def live(self) -> None:
        content = self.store.load("election")
        known = Persisted() if content is None else decode(Persisted, content)
        self.say(term=known.term, voted_for=known.voted_for)
        elector = Elector(
            ElectorConfig(me=CAROL, session=SESSION),
            known,
            clock=self.clock,
            persist=lambda it: self.store.save("election", encode(it)),
            tell=self.tell,
            keep_conflict=lambda _: None,
            changed=lambda: None,
        )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(elector.run())
            await asyncio.sleep(0)
            await elector.receive(ALICE, self._offer())
            elector.post(AbilityChanged(able=True))
            for _ in range(4):
                await self._is_asked(elector)
            running.cancel()

    async def _is_asked(self, elector: Elector) -> None:
        """Have one of the others ask for a vote, or Carol stand."""
        for wait in (_LATER, 1.0):
            self.clock.advance(wait)
            elector.post(Woke())
            await _carried()
        term = elector.leadership.term
        first, second = self.chance.sample((ALICE, BOB), 2)
        for candidate in (first, second):
            ahead = Term(term + self.chance.choice((0, 1)))
            request = VoteRequest(
                term=ahead, presence=self._present(), sent_at=Seconds(0)
            )
            for reply in await elector.receive(candidate, request):
                if isinstance(reply, VoteAnswer) and reply.refusal is None:
                    self.say(vote=reply.term, **{"for": candidate})

    async def tell(self, to: HostName, message: Message) -> tuple[Message, ...]:
        """Note Carol's vote for herself, and have Bob encourage her."""
        if isinstance(message, VoteRequest):
            self.say(vote=message.term, **{"for": CAROL})
        if isinstance(message, PreVoteRequest) and to == BOB:
            return (
                PreVoteAnswer(
                    term=message.term, presence=self._present(), ballot=message.ballot
                ),
            )
        return ()

    def say(self, **words: object) -> None:
        sys.stdout.write(json.dumps({"life": self.number, **words}) + "\n")
        sys.stdout.flush()

    def _present(self) -> Presence:
        return Presence(stamp=_STAMP, able=True)

    def _offer(self) -> DocumentOffer:
        voters = (ALICE, BOB, CAROL)
        made = document(voters, mounts=False)
        asked = replace(made, stamp=_STAMP, voters=voters)
        return DocumentOffer(term=Term(0), presence=self._present(), document=asked)


async def _carried() -> None:
    """Let messages that are under way arrive, and what they lead to happen."""
    for _ in range(20):
        await asyncio.sleep(0)


def live_once(folder: Path, number: int, chance: random.Random) -> bool:
    """Live one life in a process of its own; returns whether it was killed."""
    death = Death(write=chance.randint(1, 8), step=chance.choice(STEPS))
    pid = os.fork()
    if pid == 0:
        try:
            life = Life(number=number, store=DiskStore(folder, death), chance=chance)
            asyncio.run(life.live())
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    assert status == 0, f"life {number} ended with {status}"
    return False


def main() -> None:
    """Live the lives; the last line says how many were cut off."""
    folder, seed, lives = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chances = (random.Random(f"{seed} {number}") for number in range(lives))  # noqa: S311  no secret
    killed = sum(live_once(folder, *life) for life in enumerate(chances))
    sys.stdout.write(json.dumps({"killed": killed}) + "\n")


if __name__ == "__main__":
    main()
