"""Conditions: what is not as asked on a host, why, and what a person can do.

`Reason` names are stable; each has a heading in docs/runbook.md.
"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether the session works around it (warning) or lacks something (error)."""

    WARNING = "warning"
    ERROR = "error"


class Reason(StrEnum):
    """Every judgement that a host can publish."""

    JACK_ABSENT = "JackAbsent"
    JACK_STALLED = "JackStalled"
    AUDIO_IS_DUMMY = "AudioIsDummy"
    RATE_MISMATCH = "RateMismatch"
    PERIOD_MISMATCH = "PeriodMismatch"
    INPUT_PORT_ABSENT = "InputPortAbsent"
    OUTPUT_PORT_ABSENT = "OutputPortAbsent"
    CLIENT_RENAMED = "ClientRenamed"
    CLOCK_UNTRUSTED = "ClockUntrusted"
    CLOCK_FAILED = "ClockFailed"
    CLOCK_UNKNOWN = "ClockUnknown"
    FALSE_TICKER = "FalseTicker"
    LINK_DOWN = "LinkDown"
    UDP_PORT_BUSY = "UdpPortBusy"
    PROC_BACKING_OFF = "ProcBackingOff"
    PROC_GAVE_UP = "ProcGaveUp"
    PROGRAM_MISSING = "ProgramMissing"
    CODEC_MISSING = "CodecMissing"
    STATION_UNREACHABLE = "StationUnreachable"
    STATION_NOT_REDUNDANT = "StationNotRedundant"
    SOURCE_DENIED = "SourceDenied"
    FENCING_DENIED = "FencingDenied"
    MOUNT_STALLED = "MountStalled"
    MOUNT_SILENT = "MountSilent"
    MOUNT_CLIPPING = "MountClipping"
    MOUNT_TOO_QUIET = "MountTooQuiet"
    MOUNT_TOO_LOUD = "MountTooLoud"
    MOUNT_HELD_ELSEWHERE = "MountHeldElsewhere"
    TITLE_NOT_SHOWN = "TitleNotShown"
    HOST_MISSING = "HostMissing"
    NAME_AMBIGUOUS = "NameAmbiguous"
    AWAITING_CONSENT = "AwaitingConsent"
    STATE_NOT_STORED = "StateNotStored"
    SPEC_CONFLICT = "SpecConflict"
    NO_LEADER = "NoLeader"
    NO_STANDBY = "NoStandby"
    NOT_A_MEMBER = "NotAMember"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Condition:
    """A judgement with its reason: one sentence, one hint."""

    reason: Reason
    severity: Severity
    message: str
    hint: str = ""


def warning(reason: Reason, message: str, hint: str = "") -> Condition:
    """Return a condition that the session works around."""
    return Condition(
        reason=reason, severity=Severity.WARNING, message=message, hint=hint
    )


def error(reason: Reason, message: str, hint: str = "") -> Condition:
    """Return a condition by which the session lacks what was asked for."""
    return Condition(reason=reason, severity=Severity.ERROR, message=message, hint=hint)
