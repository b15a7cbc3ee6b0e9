import dataclasses
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessiond.core.election import Role
from sessiond.core.source_messages import (
    Document,
    lease_document,
    order_document,
    parse_lease,
    parse_order,
    parse_report,
    parse_seat,
    report_document,
    seat_document,
)
from sessiond.core.sourcing import (
    Lease,
    Seat,
    SeatReport,
    SourceOrder,
    SourceReport,
    SourceState,
)
from sessiond.core.spec import Codec
from sessiond.errors import Refused
from sessiond.units import Hertz, HostName, Kbps, MountPath, Seconds, SessionName, Term

ORDER = SourceOrder(
    path=MountPath("/dj1.ogg"),
    hidden=MountPath("/dj1-standby.ogg"),
    codec=Codec.OPUS,
    bitrate_kbps=Kbps(96),
    rate_hz=Hertz(48000),
    jack_client="air-dj1.ogg",
    address="radio",
    port=8000,
    session=SessionName("jam"),
    host=HostName("alice"),
)
LEASE = Lease(
    seat=Seat.PRIMARY,
    term=Term(3),
    role=Role.LEADER,
    grant=4,
    sent_at=Seconds(1.5),
)
PUT = SeatReport(
    path=MountPath("/dj1.ogg"),
    state=SourceState.LIVE,
    grant=4,
    term=Term(3),
    role=Role.CARETAKER,
    bytes_sent=12,
    moved_ago=Seconds(0.25),
    detail="all well",
    title="A - B",
    title_refused="not yet",
)
REPORT = SourceReport(
    primary=PUT,
    hidden=SeatReport(path=MountPath("/dj1-standby.ogg"), role=Role.STANDBY),
    encoder_pid=7,
    encoder_restarts=1,
    encoded_bytes=13,
    encoder_said="one word",
)

counts = st.integers(0, 2**40)


@given(
    st.builds(
        SourceOrder,
        path=st.text().map(MountPath),
        hidden=st.text().map(MountPath),
        codec=st.sampled_from(Codec),
        bitrate_kbps=st.none() | counts.map(Kbps),
        rate_hz=counts.map(Hertz),
        jack_client=st.text(),
        address=st.text(),
        port=counts,
        tls=st.booleans(),
        user=st.text(),
        name=st.text(),
        description=st.text(),
        genre=st.text(),
        public=st.booleans(),
        session=st.text().map(SessionName),
        host=st.text().map(HostName),
        title=st.text(),
    )
)
def test_an_order_reads_back(order: SourceOrder) -> None:
    assert parse_order(json.loads(json.dumps(order_document(order)))) == order


HIDDEN_LEASE = dataclasses.replace(LEASE, seat=Seat.HIDDEN, role=Role.STANDBY)


@pytest.mark.parametrize("lease", [LEASE, HIDDEN_LEASE])
def test_a_lease_reads_back(lease: Lease) -> None:
    assert parse_lease(json.loads(json.dumps(lease_document(lease)))) == lease


@pytest.mark.parametrize("seat", Seat)
def test_a_standby_has_the_hidden_seat_and_nobody_else(seat: Seat) -> None:
    others = set(Role) - {Role.STANDBY}
    for role in others if seat is Seat.HIDDEN else {Role.STANDBY}:
        wrong = dataclasses.replace(LEASE, seat=seat, role=role)
        with pytest.raises(Refused, match=f"{seat} seat is not for the role {role}"):
            parse_lease(lease_document(wrong))


def test_a_seat_is_known_by_its_name() -> None:
    assert [parse_seat(seat.value) for seat in Seat] == list(Seat)
    for wrong in ("second", None, 1):
        with pytest.raises(Refused, match="seat is"):
            parse_seat(wrong)


@pytest.mark.parametrize("report", [REPORT, SourceReport()])
def test_a_report_reads_back(report: SourceReport) -> None:
    assert parse_report(json.loads(json.dumps(report_document(report)))) == report


@pytest.mark.parametrize(
    ("parse", "good", "changes", "word"),
    [
        (parse_order, order_document(ORDER), {"port": "8000"}, "port is a whole"),
        (parse_order, order_document(ORDER), {"port": True}, "port is a whole"),
        (parse_order, order_document(ORDER), {"rate_hz": -1}, "rate_hz"),
        (parse_order, order_document(ORDER), {"codec": "aac"}, "one of vorbis"),
        (parse_order, order_document(ORDER), {"codec": 3}, "codec is a text"),
        (parse_order, order_document(ORDER), {"tls": 1}, "tls is true or false"),
        (parse_order, order_document(ORDER), {"password": "x"}, "no field password"),
        (parse_lease, lease_document(LEASE), {"sent_at": "now"}, "sent_at is a"),
        (parse_lease, lease_document(LEASE), {"sent_at": True}, "sent_at is a"),
        (parse_lease, lease_document(LEASE), {"role": "king"}, "one of leader"),
        (parse_lease, lease_document(LEASE), {"seat": "third"}, "one of primary"),
        (parse_report, report_document(REPORT), {"hidden": {}}, "seat's report lacks"),
        (
            parse_report,
            report_document(REPORT),
            {"primary": {**seat_document(PUT), "state": "dead"}},
            "one of waiting",
        ),
    ],
)
def test_a_wrong_field_is_named(
    parse: Callable[[object], object], good: Document, changes: Document, word: str
) -> None:
    with pytest.raises(Refused, match=word):
        parse({**good, **changes})


@pytest.mark.parametrize("document", [None, [], "x", 3])
def test_what_is_no_json_mapping_is_refused(document: object) -> None:
    with pytest.raises(Refused, match="an order is a JSON object"):
        parse_order(document)


def test_every_missing_field_is_named() -> None:
    with pytest.raises(Refused, match="a lease lacks grant, role, seat, sent_at, term"):
        parse_lease({})
