"""The words between an agent and its source processes, as JSON documents.

Reading is strict: a missing, surplus or wrongly typed field is refused by name, so
that a mistake is a sentence and never a source with half an order.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from sessiond.core.holder import Role
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

_Scalar: TypeAlias = "bool | int | float | str | None"
Document: TypeAlias = "Mapping[str, _Scalar | Mapping[str, _Scalar]]"

_Name = TypeVar("_Name", bound=StrEnum)

_ORDER_KEYS: Final = frozenset(SourceOrder.__dataclass_fields__)
_LEASE_KEYS: Final = frozenset(Lease.__dataclass_fields__)
_SEAT_KEYS: Final = frozenset(SeatReport.__dataclass_fields__)
_REPORT_KEYS: Final = frozenset(SourceReport.__dataclass_fields__)


def order_document(order: SourceOrder) -> Document:
    """Return the order as JSON; the password travels beside it, not in it."""
    return {
        "path": order.path,
        "hidden": order.hidden,
        "codec": order.codec.value,
        "bitrate_kbps": order.bitrate_kbps,
        "rate_hz": order.rate_hz,
        "jack_client": order.jack_client,
        "address": order.address,
        "port": order.port,
        "tls": order.tls,
        "user": order.user,
        "name": order.name,
        "description": order.description,
        "genre": order.genre,
        "public": order.public,
        "encoder": order.encoder,
        "session": order.session,
        "host": order.host,
        "title": order.title,
    }


def parse_order(document: object) -> SourceOrder:
    """Read what `order_document` wrote; raises Refused on anything else."""
    fields = _fields(document, _ORDER_KEYS, "an order")
    bitrate = fields["bitrate_kbps"]
    return SourceOrder(
        path=MountPath(_text(fields, "path")),
        hidden=MountPath(_text(fields, "hidden")),
        codec=_name(Codec, fields, "codec"),
        bitrate_kbps=None if bitrate is None else Kbps(_count(fields, "bitrate_kbps")),
        rate_hz=Hertz(_count(fields, "rate_hz")),
        jack_client=_text(fields, "jack_client"),
        address=_text(fields, "address"),
        port=_count(fields, "port"),
        tls=_flag(fields, "tls"),
        user=_text(fields, "user"),
        name=_text(fields, "name"),
        description=_text(fields, "description"),
        genre=_text(fields, "genre"),
        public=_flag(fields, "public"),
        encoder=_count(fields, "encoder"),
        session=SessionName(_text(fields, "session")),
        host=HostName(_text(fields, "host")),
        title=_text(fields, "title"),
    )


def lease_document(lease: Lease) -> Document:
    """Return the lease as JSON."""
    return {
        "seat": lease.seat.value,
        "term": lease.term,
        "role": lease.role.value,
        "grant": lease.grant,
        "sent_at": lease.sent_at,
    }


def parse_lease(document: object) -> Lease:
    """Read what `lease_document` wrote; raises Refused on anything else."""
    fields = _fields(document, _LEASE_KEYS, "a lease")
    seat, role = _name(Seat, fields, "seat"), _name(Role, fields, "role")
    # On the mount itself the label is a claim to the broadcast, on the other it must
    # not be one (decision 18).
    if (seat is Seat.HIDDEN) != (role is Role.STANDBY):
        raise Refused(f"the {seat.value} seat is not for the role {role.value}")
    return Lease(
        seat=seat,
        term=Term(_count(fields, "term")),
        role=role,
        grant=_count(fields, "grant"),
        sent_at=Seconds(_number(fields, "sent_at")),
    )


def parse_seat(name: object) -> Seat:
    """Read a seat's name; raises Refused on anything else."""
    return _name(Seat, {"seat": name}, "seat")


def report_document(report: SourceReport) -> Document:
    """Return the report as JSON."""
    return {
        "primary": seat_document(report.primary),
        "hidden": seat_document(report.hidden),
        "encoder_pid": report.encoder_pid,
        "encoder_restarts": report.encoder_restarts,
        "encoded_bytes": report.encoded_bytes,
        "encoder_said": report.encoder_said,
    }


def seat_document(report: SeatReport) -> Mapping[str, _Scalar]:
    """Return a seat's part of the report as JSON."""
    return {
        "path": report.path,
        "state": report.state.value,
        "grant": report.grant,
        "term": report.term,
        "role": None if report.role is None else report.role.value,
        "bytes_sent": report.bytes_sent,
        "moved_ago": report.moved_ago,
        "detail": report.detail,
        "title": report.title,
        "title_refused": report.title_refused,
    }


def parse_report(document: object) -> SourceReport:
    """Read what `report_document` wrote; raises Refused on anything else."""
    fields = _fields(document, _REPORT_KEYS, "a report")
    return SourceReport(
        primary=_parse_seat_report(fields["primary"]),
        hidden=_parse_seat_report(fields["hidden"]),
        encoder_pid=_count(fields, "encoder_pid"),
        encoder_restarts=_count(fields, "encoder_restarts"),
        encoded_bytes=_count(fields, "encoded_bytes"),
        encoder_said=_text(fields, "encoder_said"),
    )


def _parse_seat_report(document: object) -> SeatReport:
    fields = _fields(document, _SEAT_KEYS, "a seat's report")
    role, path, ago = fields["role"], fields["path"], fields["moved_ago"]
    return SeatReport(
        path=None if path is None else MountPath(_text(fields, "path")),
        state=_name(SourceState, fields, "state"),
        grant=_count(fields, "grant"),
        term=Term(_count(fields, "term")),
        role=None if role is None else _name(Role, fields, "role"),
        bytes_sent=_count(fields, "bytes_sent"),
        moved_ago=None if ago is None else Seconds(_number(fields, "moved_ago")),
        detail=_text(fields, "detail"),
        title=_text(fields, "title"),
        title_refused=_text(fields, "title_refused"),
    )


def _fields(document: object, keys: frozenset[str], what: str) -> Mapping[str, object]:
    if not isinstance(document, Mapping):
        raise Refused(f"{what} is a JSON object")
    if missing := sorted(keys - document.keys()):
        raise Refused(f"{what} lacks {_listed(missing)}")
    if surplus := sorted(f"{key}" for key in document.keys() - keys):
        raise Refused(f"{what} has no field {_listed(surplus)}")
    return document


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _text(fields: Mapping[str, object], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str):
        raise Refused(f"{key} is a text")
    return value


def _flag(fields: Mapping[str, object], key: str) -> bool:
    value = fields[key]
    if not isinstance(value, bool):
        raise Refused(f"{key} is true or false")
    return value


def _count(fields: Mapping[str, object], key: str) -> int:
    value = fields[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Refused(f"{key} is a whole number from 0 up")
    return value


def _number(fields: Mapping[str, object], key: str) -> float:
    value = fields[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused(f"{key} is a number")
    return float(value)


def _name(kind: type[_Name], fields: Mapping[str, object], key: str) -> _Name:
    value = fields[key]
    try:
        return kind(_text(fields, key))
    except ValueError as e:
        known = _listed([name.value for name in kind])
        raise Refused(f"{key} is one of {known}, not {value!r}") from e
