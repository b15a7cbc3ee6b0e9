"""Feeding a mount: the order for it, its argument list, its request, its report.

What the source process of a mount is told (`SourceOrder`, `Lease`) and answers
(`SourceReport`), and FFmpeg's argument list. One encoder has two seats, the mount and
its hidden standby mount, each with a lease of its own. Passwords are no part of any
value here; what is on a mount, as seen from outside, is in `onair`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sessiond.core.holder import Role
from sessiond.core.spec import Codec, MountSpec
from sessiond.core.stamped import Station
from sessiond.units import Hertz, HostName, Kbps, MountPath, Seconds, SessionName, Term

# An agent that is silent for longer has crashed for good or is cut off; election.md
# counts on the source being gone by then ("Behind").
LEASE_SECONDS: Final = Seconds(10.0)

# How much sound an Ogg page holds; FFmpeg's own 1 s would be heard as a delay.
PAGE_MICROSECONDS: Final = 200_000

ENCODERS: Final[Mapping[Codec, str]] = {
    Codec.VORBIS: "libvorbis",
    Codec.OPUS: "libopus",
    Codec.FLAC: "flac",
    Codec.MP3: "libmp3lame",
}

# Opus knows no 44.1 kHz; LAME knows nothing beyond MPEG-1's three rates.
_OPUS_RATE: Final = Hertz(48000)
_MP3_RATES: Final = frozenset({32000, 44100, 48000})


class Seat(StrEnum):
    """Where one of a source's two PUTs goes."""

    PRIMARY = "primary"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOrder:
    """What one source process is to feed, and where; the password travels apart.

    The same for the broadcaster and the standby: which of the seats is fed, the leases
    say, so that a promotion leaves the encoder alone.

    Attributes:
        path: The mount.
        hidden: Its hidden standby mount.
        rate_hz: The JACK server's.
        jack_client: The name that FFmpeg takes in JACK.
        user: The source user at the station.
        description: The operator's; the label is put behind it at the PUT.
        encoder: A larger number than before has FFmpeg started anew, and the PUTs go
            on: a new Ogg chain on the same connection.
        title: What listeners see at present, on both seats; empty for nothing.
    """

    path: MountPath
    hidden: MountPath
    codec: Codec
    bitrate_kbps: Kbps | None
    rate_hz: Hertz
    jack_client: str
    address: str
    port: int
    tls: bool = False
    user: str = "source"
    name: str = ""
    description: str = ""
    genre: str = ""
    public: bool = False
    encoder: int = 0
    session: SessionName
    host: HostName
    title: str = ""

    def mount(self, seat: Seat) -> MountPath:
        """Return where this seat's PUT goes."""
        return self.path if seat is Seat.PRIMARY else self.hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The agent's word that a seat may be fed, true for `LEASE_SECONDS`.

    Attributes:
        role: For the label; ``standby`` on the hidden seat, and only there.
        grant: Each number permits one accepted PUT; a larger one permits the next.
        sent_at: When the agent said so, on the clock that it shares with the
            source; a lease that waited in a socket is as old as it is.
    """

    seat: Seat
    term: Term
    role: Role
    grant: int
    sent_at: Seconds

    def is_fresh(self, now: Seconds) -> bool:
        """Say whether the agent was heard within `LEASE_SECONDS`."""
        return now - self.sent_at <= LEASE_SECONDS


class SourceState(StrEnum):
    """How far a seat is; all but ``live`` say why in the report's detail."""

    WAITING = "waiting"
    CONNECTING = "connecting"
    LIVE = "live"
    REFUSED = "refused"
    DENIED = "denied"
    UNREACHABLE = "unreachable"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatReport:
    """What a source says of one of its seats.

    Attributes:
        path: None before any order.
        grant: The last one that was used up, by an accepted PUT or a denial; 0
            before any. Only a larger one opens the next PUT.
        term: As in the present or last accepted PUT's label; so is the role.
        bytes_sent: On the present PUT, as far as the kernel took them.
        moved_ago: Since the last of those bytes; None before any.
        detail: One sentence; never holds a secret.
        title: What was last put on the present PUT; empty without one.
        title_refused: Why the title that was ordered is not on it; may be empty.
    """

    path: MountPath | None = None
    state: SourceState = SourceState.WAITING
    grant: int = 0
    term: Term = Term(0)
    role: Role | None = None
    bytes_sent: int = 0
    moved_ago: Seconds | None = None
    detail: str = ""
    title: str = ""
    title_refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What a source says of itself: its two seats and the encoder that feeds both.

    Attributes:
        encoder_pid: 0 while there is no FFmpeg.
        encoder_restarts: How often FFmpeg ended without being asked to.
        encoded_bytes: What the present FFmpeg has given so far.
        encoder_said: FFmpeg's last words, on one line, while it gives no sound.
    """

    primary: SeatReport = SeatReport()
    hidden: SeatReport = SeatReport()
    encoder_pid: int = 0
    encoder_restarts: int = 0
    encoded_bytes: int = 0
    encoder_said: str = ""


def order_for(
    mount: MountSpec,
    *,
    station: Station,
    user: str,
    rate_hz: Hertz,
    session: SessionName,
    host: HostName,
    encoder: int = 0,
    title: str = "",
) -> SourceOrder:
    """Return the order for feeding this mount and its standby mount.

    Args:
        mount: What is to be fed; its own source user takes precedence.
        station: Where Icecast answers.
        user: The server's source user.
        rate_hz: The JACK server's.
        session: The session's name, for the label.
        host: This host, who feeds it.
        encoder: How often its encoder is to have been started anew.
        title: What listeners of the mount see.
    """
    return SourceOrder(
        path=mount.path,
        hidden=mount.standby_path,
        codec=mount.codec,
        bitrate_kbps=mount.bitrate_kbps,
        rate_hz=rate_hz,
        jack_client=f"air-{mount.file_name}",
        address=station.address,
        port=station.port,
        tls=station.tls,
        user=mount.source_user or user,
        name=mount.name,
        description=mount.description,
        genre=mount.genre,
        public=mount.public,
        encoder=encoder,
        session=session,
        host=host,
        title=title,
    )


def ffmpeg_argv(order: SourceOrder) -> tuple[str, ...]:
    """Return the argument list that encodes a JACK client's input to standard output.

    Source: ffmpeg(1), ffmpeg-devices(1) "jack", ffmpeg-filters(1) "asetpts"; field
    notes on page duration and on MP3 written to a pipe.
    """
    # FFmpeg stamps what comes from JACK with the wall clock. Steps of that would hold
    # its pages back for seconds; counted samples know of no clock.
    reading = ("-f", "jack", "-channels", "2", "-i", order.jack_client)
    return (
        "ffmpeg",
        "-nostdin",
        "-hide_banner",
        "-nostats",
        *("-loglevel", "warning"),
        *reading,
        *("-map", "0:a"),
        *("-af", ",".join(_filters(order.codec))),
        *("-c:a", ENCODERS[order.codec]),
        *_quality(order),
        *("-ar", str(encoded_rate(order.codec, order.rate_hz))),
        *_container(order.codec),
        "pipe:1",
    )


def _filters(codec: Codec) -> tuple[str, ...]:
    counted = "asetpts=N/SR/TB"
    if codec is Codec.FLAC:
        # Noise below the last bit: what `_in_silence` is for the others.
        return (counted, "aresample=dither_method=triangular")
    return (counted,)


def _quality(order: SourceOrder) -> tuple[str, ...]:
    if order.codec is Codec.FLAC:
        # As long as libFLAC's blocks, which the filler's are: FFmpeg's decoder drops
        # longer ones than the stream's first chain had.
        return ("-frame_size", "4096")
    if order.bitrate_kbps is None:
        return ()
    rate = f"{order.bitrate_kbps}k"
    return ("-b:a", rate, *_in_silence(order.codec, rate))


def _in_silence(codec: Codec, rate: str) -> tuple[str, ...]:
    """Return what keeps a stream's bitrate up when nobody plays.

    Else Vorbis and Opus are at 2 kbit/s then: Icecast's burst reaches minutes into the
    past, and Chromium, which plays whole blocks of 32 KiB only, stands still.
    """
    match codec:
        case Codec.VORBIS:
            return ("-minrate", rate)
        case Codec.OPUS:
            return ("-vbr", "off")
        case _:
            return ()


def encoded_rate(codec: Codec, rate_hz: Hertz) -> Hertz:
    """Return the sample rate at which sound of this rate is encoded."""
    if codec is Codec.OPUS:
        return _OPUS_RATE
    if codec is Codec.MP3 and rate_hz not in _MP3_RATES:
        return _OPUS_RATE
    return rate_hz


def _container(codec: Codec) -> tuple[str, ...]:
    flush = ("-flush_packets", "1")
    if codec is Codec.MP3:
        return (*flush, "-id3v2_version", "0", "-write_xing", "0", "-f", "mp3")
    return (*flush, "-page_duration", str(PAGE_MICROSECONDS), "-f", "ogg")
