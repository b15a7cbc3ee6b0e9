"""What goes over the mix-down's socket: orders in, reports out, as plain JSON.

Both ends use this module, so it imports neither JACK nor NumPy. Reading is strict:
what has another shape is refused as a whole, by name. Silence is −inf in values and
null in JSON, which has no infinities; a gain of null is *not on this bus*.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from agent.steering import Json
from sessiond.core.mixmatrix import SILENCE, MixLevels, MixOrder, MixReport
from sessiond.errors import Refused
from sessiond.units import Decibels, Frames, Hertz, HostName

T = TypeVar("T")

# As interfaces.md has them; what fits these fits JACK's port names (256) as well.
_STRIP: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_BUS: Final = re.compile(r"[A-Za-z0-9_-]{1,48}\.(ogg|opus|flac|mp3)")

# Far beyond any fader; a slip of the unit (a factor for a gain) should not pass.
_GAIN_LIMIT_DB: Final = 120.0

# JACK 1.9 holds 2048 ports in all of one server's clients together.
_NAMES_MAX: Final = 256

REPORT: Final[Mapping[str, Json]] = {"report": True}
"""The request that `report_from_json` reads the answer of."""

HISTORY: Final[Mapping[str, Json]] = {"history": True}
"""The request that `sessiond.core.levelhistory.parse_history` reads the answer of."""

FORGET: Final[Mapping[str, Json]] = {"forget": True}
"""The request that starts xruns and callback times anew."""


def fade_in_request(bus: str) -> dict[str, Json]:
    """Return the request that has a bus begin in silence and rise slowly."""
    return {"fade_in": bus}


def bus_from_json(value: Json) -> str:
    """Read the bus that `fade_in_request` names.

    Raises:
        Refused: It is no name of a bus.
    """
    return _name(_BUS, "bus", value)


def order_request(order: MixOrder) -> dict[str, Json]:
    """Return the request that puts `order` in force."""
    return {"order": order_to_json(order)}


def order_to_json(order: MixOrder) -> dict[str, Json]:
    """Return what `order_from_json` reads."""
    return {
        "strips": list(order.strips),
        "buses": list(order.buses),
        "gains_db": [list(row) for row in order.gains_db],
    }


def order_from_json(json: Json) -> MixOrder:
    """Read an order.

    Raises:
        Refused: For a wrong shape, a name that is none, a name twice, or a gain that
            is no gain.
    """
    fields = _fields(json, "an order", ("strips", "buses", "gains_db"))
    strips = tuple(_name(_STRIP, "strip", n) for n in _list(fields, "strips"))
    buses = tuple(_name(_BUS, "bus", n) for n in _list(fields, "buses"))
    for names in (strips, buses):
        _check_names(names)
    rows = tuple(_row(row, len(strips)) for row in _list(fields, "gains_db"))
    if len(rows) != len(buses):
        raise Refused(f"{len(buses)} buses have {len(rows)} rows of gains")
    return MixOrder(
        strips=tuple(HostName(name) for name in strips), buses=buses, gains_db=rows
    )


def report_to_json(report: MixReport) -> dict[str, Json]:
    """Return the answer to `REPORT`."""
    return {
        "order": order_to_json(report.order),
        "settled": report.settled,
        "strips": [_levels_to_json(levels) for levels in report.strips],
        "buses": [_levels_to_json(levels) for levels in report.buses],
        "rate_hz": report.rate_hz,
        "period_frames": report.period_frames,
        "callbacks": report.callbacks,
        "xruns": report.xruns,
        "callback_p50_us": report.callback_p50_us,
        "callback_p99_us": report.callback_p99_us,
        "callback_max_us": report.callback_max_us,
    }


_COUNTS: Final = (
    "rate_hz",
    "period_frames",
    "callbacks",
    "xruns",
    "callback_p50_us",
    "callback_p99_us",
    "callback_max_us",
)


def report_from_json(json: Json) -> MixReport:
    """Read a report.

    Raises:
        Refused: It has another shape than `report_to_json` gives it.
    """
    fields = _fields(
        json, "a report", ("order", "settled", "strips", "buses", *_COUNTS)
    )
    order = order_from_json(fields["order"])
    counts = {name: _count(name, fields[name]) for name in _COUNTS}
    if not isinstance(settled := fields["settled"], bool):
        raise Refused("settled is no yes or no")
    return MixReport(
        order=order,
        settled=settled,
        strips=_all_levels(fields, "strips", len(order.strips)),
        buses=_all_levels(fields, "buses", len(order.buses)),
        rate_hz=Hertz(counts["rate_hz"]),
        period_frames=Frames(counts["period_frames"]),
        callbacks=counts["callbacks"],
        xruns=counts["xruns"],
        callback_p50_us=counts["callback_p50_us"],
        callback_p99_us=counts["callback_p99_us"],
        callback_max_us=counts["callback_max_us"],
    )


def _fields(json: Json, what: str, names: tuple[str, ...]) -> Mapping[str, Json]:
    if not isinstance(json, Mapping) or set(json) != set(names):
        raise Refused(f"{what} has exactly the fields {', '.join(names)}")
    return json


def _list(fields: Mapping[str, Json], name: str) -> list[Json]:
    value = fields[name]
    if not isinstance(value, list):
        raise Refused(f"{name} is no list")
    return value


def _name(pattern: re.Pattern[str], what: str, value: Json) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Refused(f"{value!r} is no name of a {what}")
    return value


def _check_names(names: tuple[str, ...]) -> None:
    if len(names) > _NAMES_MAX:
        raise Refused(f"{len(names)} strips or buses are more than {_NAMES_MAX}")
    if twice := {name for name in names if names.count(name) > 1}:
        raise Refused(f"{', '.join(sorted(twice))} is there twice")


def _row(row: Json, length: int) -> tuple[Decibels | None, ...]:
    if not isinstance(row, list) or len(row) != length:
        raise Refused(f"a row of gains has one for each of the {length} strips")
    return tuple(_or_null(_gain, value) for value in row)


def _or_null(read: Callable[[Json], T], value: Json) -> T | None:
    return None if value is None else read(value)


def _gain(value: Json) -> Decibels:
    gain = _decibels(value)
    if abs(gain) > _GAIN_LIMIT_DB:
        raise Refused(f"a gain of {gain:g} dB is beyond ±{_GAIN_LIMIT_DB:g} dB")
    return gain


def _decibels(value: Json) -> Decibels:
    # A bool is an int in Python, and 10**400 is an int that is no float.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"{value!r} is no number of decibels")
    try:
        return Decibels(float(value))
    except OverflowError as e:
        raise Refused("a number of decibels is out of range") from e


def _count(name: str, value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Refused(f"{name} is no count")
    return value


def _all_levels(
    fields: Mapping[str, Json], name: str, length: int
) -> tuple[MixLevels, ...]:
    levels = _list(fields, name)
    if len(levels) != length:
        raise Refused(f"the report has {len(levels)} levels of {length} {name}")
    return tuple(_levels(value) for value in levels)


def _levels(json: Json) -> MixLevels:
    fields = _fields(json, "a level", ("peak_db", "rms_db"))
    return MixLevels(
        peak_db=_or_silence(fields["peak_db"]), rms_db=_or_silence(fields["rms_db"])
    )


def _or_silence(value: Json) -> Decibels:
    return SILENCE if value is None else _decibels(value)


def _levels_to_json(levels: MixLevels) -> dict[str, Json]:
    return {
        "peak_db": _level_to_json(levels.peak_db),
        "rms_db": _level_to_json(levels.rms_db),
    }


def _level_to_json(level: Decibels) -> Json:
    return round(level, 2) if math.isfinite(level) else None
