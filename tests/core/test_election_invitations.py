"""Who was away when a session began is invited, with or without a majority."""

from dataclasses import replace

import pytest

from sessiond.core import election as el
from sessiond.core.stamped import StampedSpec
from tests.core.electing import ALICE, BOB, CAROL, THREE, TWO, Bench, stamped
from tests.sim.documents import document


def offers(bench: Bench) -> list[tuple[str, StampedSpec]]:
    """Return to whom which document was offered."""
    return [
        (send.to, send.message.document)
        for send in bench.done(el.Send)
        if isinstance(send.message, el.DocumentOffer)
    ]


def alone(*, able: bool = True) -> Bench:
    """Return alice in a session of which nobody else was heard."""
    bench = Bench(ALICE, stamped(*TWO), able=able)
    bench.effects.clear()
    return bench


def test_a_host_alone_invites_whom_it_never_heard_with_each_hello() -> None:
    bench = alone()
    bench.wait(1.0)
    assert offers(bench) == [(BOB, bench.disk.stamped)] * 2


def test_a_host_that_was_heard_is_not_invited_again() -> None:
    bench = Bench(ALICE, stamped(*THREE))
    bench.hear(BOB, el.Hello(term=bench.state.term, presence=bench.presence()))
    bench.effects.clear()
    bench.wait(1.0)
    assert {to for to, _ in offers(bench)} == {CAROL}


@pytest.mark.parametrize("seconds", [1.0, 60.0])
def test_a_host_that_came_back_without_consent_invites_nobody(seconds: float) -> None:
    bench = alone(able=False)
    bench.wait(seconds)
    assert not offers(bench)


def test_a_creating_host_invites_though_it_is_not_able() -> None:
    bench = Bench(ALICE, term=0, able=False)
    bench.feed(el.CreateRequested(document=document(TWO)))
    assert len(offers(bench)) == 1
    bench.wait(1.0)
    assert len(offers(bench)) == 3
    bench.wait(60.0)
    told = len(offers(bench))
    bench.wait(10.0)
    assert len(offers(bench)) == told


def test_a_stopped_session_invites_nobody() -> None:
    bench = Bench(ALICE, replace(stamped(*TWO), stopped=True))
    bench.wait(2.0)
    assert not offers(bench)
