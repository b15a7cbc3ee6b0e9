"""Who feeds which seat of a mount, and whose source may be ended."""

from dataclasses import replace

import pytest

from sessiond.core.election import Evidence, Leadership, MountWitnessed
from sessiond.core.holder import HolderLabel, Role
from sessiond.core.liveness import Liveness
from sessiond.core.seats import (
    BROUGHT_BACK_WITHIN,
    PLAYS_AFTER,
    SETTLED_AFTER,
    back_after,
    hears_all,
    hidden_wanted,
    in_the_way,
    may_take_over,
    stands_by,
    to_rescue,
)
from sessiond.core.sourcing import SeatReport, SourceReport, SourceState
from sessiond.core.spec import BroadcastSettings, StandbyMode
from sessiond.units import HostName, ProcName, Seconds, SessionName, Term
from tests.core.examples import ALICE, BOB, CAROL, document, leadership, session

LIVE = SeatReport(state=SourceState.LIVE)
WAITING = SeatReport()
REFUSED = SeatReport(state=SourceState.REFUSED)


def led(
    mode: StandbyMode = StandbyMode.HOT,
    *,
    right: bool = False,
    broadcaster: HostName | None = ALICE,
) -> Leadership:
    doc = document(session(broadcast=BroadcastSettings(standby=mode)))
    return leadership(doc, right=right, broadcaster=broadcaster)


@pytest.mark.parametrize(
    ("lead", "me", "encodes"),
    [
        (led(), BOB, True),
        (led(StandbyMode.WARM), BOB, True),
        (led(StandbyMode.COLD), BOB, False),
        (led(), CAROL, False),
        (led(right=True), BOB, False),
        (led(broadcaster=None), BOB, False),
        (replace(led(), stamped=None), BOB, False),
        (None, BOB, False),
    ],
)
def test_the_standby_encodes_once_somebody_is_on_the_air(
    lead: Leadership | None, me: HostName, encodes: bool
) -> None:
    assert stands_by(lead, me) is encodes


@pytest.mark.parametrize(
    ("lead", "me", "hidden", "wanted"),
    [
        (led(), BOB, WAITING, True),
        (led(), CAROL, WAITING, False),
        (led(), CAROL, LIVE, False),
        (led(StandbyMode.WARM), BOB, WAITING, False),
        (led(broadcaster=None), BOB, WAITING, False),
        (led(broadcaster=None), BOB, LIVE, True),
        (replace(led(), standby=None), BOB, LIVE, True),
        (replace(led(), standby=None), BOB, WAITING, False),
        (replace(led(), stamped=None), BOB, LIVE, False),
    ],
)
def test_a_hot_standby_takes_the_hidden_seat_and_keeps_it_when_the_other_is_gone(
    lead: Leadership, me: HostName, hidden: SeatReport, wanted: bool
) -> None:
    assert hidden_wanted(lead, me, hidden, None, brought_back=False) is wanted


@pytest.mark.parametrize(
    ("hidden", "live_for", "brought_back", "wanted"),
    [
        (LIVE, None, False, True),
        (LIVE, SETTLED_AFTER - 0.1, True, True),
        (LIVE, SETTLED_AFTER, True, False),
        (LIVE, SETTLED_AFTER, False, True),
        (LIVE, BROUGHT_BACK_WITHIN - 0.1, False, True),
        (LIVE, BROUGHT_BACK_WITHIN, False, False),
        (WAITING, 0.0, False, False),
        (REFUSED, None, False, False),
    ],
)
def test_once_promoted_it_leaves_when_the_mount_plays_and_has_its_listeners(
    hidden: SeatReport, live_for: Seconds | None, brought_back: bool, wanted: bool
) -> None:
    lead = led(right=True)
    found = hidden_wanted(lead, BOB, hidden, live_for, brought_back=brought_back)
    assert found is wanted


@pytest.mark.parametrize(
    ("lead", "me", "seat", "listens"),
    [
        (led(), BOB, WAITING, True),
        (led(), CAROL, WAITING, False),
        (led(right=True), CAROL, REFUSED, True),
        (led(right=True), ALICE, LIVE, False),
    ],
)
def test_who_may_take_over_listens_to_every_mount(
    lead: Leadership, me: HostName, seat: SeatReport, listens: bool
) -> None:
    reports = {ProcName("source-mix.ogg"): SourceReport(primary=seat)}
    assert may_take_over(lead, me, reports) is listens


@pytest.mark.parametrize(
    ("lead", "me", "listens"),
    [
        (led(), BOB, True),
        (led(right=True), ALICE, False),
        (replace(led(right=True), standby=None), ALICE, True),
        (led(right=True), BOB, True),
        (replace(led(), standby=None), CAROL, False),
    ],
)
def test_every_mount_has_somebody_who_sees_its_title(
    lead: Leadership, me: HostName, listens: bool
) -> None:
    assert hears_all(lead, me, {}) is listens


def test_who_is_being_promoted_goes_on_listening_to_every_mount() -> None:
    reports = {ProcName("source-mix.ogg"): SourceReport(hidden=LIVE)}
    assert may_take_over(led(right=True), BOB, reports)


HELD = HolderLabel(
    session=SessionName("jam"), host=ALICE, term=Term(1), role=Role.LEADER
)
GONE = replace(led(), liveness={ALICE: Liveness.SUSPECT})


@pytest.mark.parametrize(
    ("lead", "hidden", "evidence", "holder", "rescues"),
    [
        (GONE, LIVE, Evidence.STALLED, HELD, True),
        (GONE, WAITING, Evidence.STALLED, HELD, False),
        (GONE, LIVE, Evidence.PROGRESSING, HELD, False),
        (GONE, LIVE, Evidence.STALLED, None, False),
        (led(), LIVE, Evidence.STALLED, HELD, False),
        (replace(GONE, right=True), LIVE, Evidence.STALLED, HELD, True),
    ],
)
def test_the_standby_rescues_listeners_of_a_silent_mount_whose_host_is_silent_too(
    lead: Leadership,
    hidden: SeatReport,
    evidence: Evidence,
    holder: HolderLabel | None,
    rescues: bool,
) -> None:
    seen = MountWitnessed(evidence=evidence, holder=holder, stream_start="s1")
    assert to_rescue(lead, SourceReport(hidden=hidden), seen) is rescues


@pytest.mark.parametrize(
    ("seat", "evidence", "holds_primary", "start"),
    [
        (REFUSED, Evidence.STALLED, True, "s1"),
        (REFUSED, Evidence.STALLED, False, None),
        (REFUSED, Evidence.PROGRESSING, True, None),
        (LIVE, Evidence.STALLED, True, None),
    ],
)
def test_4_on_other_mounts_only_what_stalled_is_ended_and_only_by_the_broadcaster(
    seat: SeatReport, evidence: Evidence, holds_primary: bool, start: str | None
) -> None:
    seen = MountWitnessed(evidence=evidence, stream_start="s1")
    report = SourceReport(primary=seat)
    assert in_the_way(report, seen, holds_primary=holds_primary) == start


def test_only_on_our_own_hidden_mount_do_listeners_wait_for_long() -> None:
    assert back_after(LIVE) == SETTLED_AFTER
    assert back_after(WAITING) == PLAYS_AFTER
