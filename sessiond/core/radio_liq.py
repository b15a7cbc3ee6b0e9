"""A station's ``radio.liq``: what Liquidsoap 2.1 plays while nobody plays live.

The next track if somebody names one, else the emergency playlist, else silence, which
at least keeps every listener. It goes to a hidden mount for each mount, in the mount's
own codec, because a listener who is moved keeps the decoder.

No password stands here: the script reads them from a file, a line for each mount.
"""

from collections.abc import Iterator
from typing import Final, assert_never

from sessiond.core.sourcing import PAGE_MICROSECONDS, encoded_rate
from sessiond.core.spec import Codec, MountSpec
from sessiond.core.stamped import Secrets
from sessiond.core.stationfile import Loudness, StationConfig, is_url
from sessiond.core.stationorder import StationOrder
from sessiond.units import Hertz, Seconds

# What podcasts and online radio have settled on (AES TD1008).
LOUDNESS_LUFS: Final = -16.0

# For a next-track program that does not end when it is told to.
KILLED_AFTER: Final = Seconds(1.0)

# A server that is back is asked again before the present track has ended.
RETRY: Final = Seconds(2.0)

# Between two attempts to reach Icecast, which takes less to start.
RECONNECT: Final = Seconds(2.0)


def passwords_text(order: StationOrder, secrets: Secrets) -> str:
    """Return the file that the script reads: each mount's source password on a line."""
    lines = (secrets.for_mount(mount.path) for mount in order.spec.mounts)
    return "".join(f"{line}\n" for line in lines)


def radio_liq(
    order: StationOrder, config: StationConfig, passwords: str, *, as_root: bool
) -> str:
    """Return the script.

    Args:
        order: Which mounts, and where; a spec without mounts gives no valid script.
        config: What is played.
        passwords: The path of the file of `passwords_text`.
        as_root: Liquidsoap runs as root, which it has to be allowed.
    """
    return "\n".join(_lines(order, config, passwords, as_root)) + "\n"


def _lines(
    order: StationOrder,
    config: StationConfig,
    passwords: str,
    as_root: bool,  # noqa: FBT001  private, and named where it is public
) -> Iterator[str]:
    if as_root:
        yield "settings.init.allow_root.set(true)"
    yield "settings.log.file.set(false)"
    yield "settings.log.stdout.set(true)"
    yield f"settings.frame.audio.samplerate.set({order.spec.rate_hz})"
    yield ""
    yield from _tracks(config)
    yield from _sound(config)
    yield from _passwords(passwords)
    for number, mount in enumerate(order.spec.mounts):
        yield from _output(mount, number, order)


def _tracks(config: StationConfig) -> Iterator[str]:
    playlist = f'playlist(id="emergency", mode="randomize", {_watching(config.music)})'
    if not config.next_track:
        yield f"radio = {playlist}"
        return
    yield from (_asking_server if is_url(config.next_track) else _asking_program)(
        config.next_track, config.next_track_within
    )
    yield _NEXT
    retry = f"retry_delay={{{_number(RETRY)}}}"
    yield f'next = request.dynamic(id="next", {retry}, next_track)'
    yield f'radio = fallback(id="radio", [next, {playlist}])'


def _watching(music: str) -> str:
    return f'reload_mode="watch", {_text(music)}'


def _asking_server(url: str, within: Seconds) -> Iterator[str]:
    yield "def answer() ="
    yield f"  said = http.get(timeout_ms={round(within * 1000)}, {_text(url)})"
    yield '  if said.status_code == 200 then string(said) else "" end'
    yield "end"


def _asking_program(path: str, within: Seconds) -> Iterator[str]:
    # Liquidsoap ends the shell alone, not what the program has started.
    ended = f"timeout --kill-after={_number(KILLED_AFTER)} {_number(within)} "
    quoted = f"{_text(ended)} ^ process.quote({_text(path)})"
    longest = _number(Seconds(within + 2 * KILLED_AFTER))
    yield "def answer() ="
    yield f"  said = process.run(timeout={longest}, {quoted})"
    yield '  if said.status == "exit" and said.status.code == 0 then'
    yield "    said.stdout"
    yield '  else "" end'
    yield "end"


# Only files and addresses: other words of an answer could make Liquidsoap run programs.
_NEXT: Final = """\
told = ref(true)
def tell(found, words) =
  if found != !told then
    log(label="filler", words)
    told := found
  end
end
def next_track() =
  try
    lines = string.split(separator="\\n", answer())
    track = string.trim(list.hd(default="", lines))
    if string.match(pattern="^(/|https?://)", track) then
      tell(true, "next tracks are named again")
      request.create(track)
    else
      tell(false, "nobody names a next track")
      null()
    end
  catch problem do
    tell(false, "nobody names a next track: #{problem.message}")
    null()
  end
end"""


def _sound(config: StationConfig) -> Iterator[str]:
    match config.loudness:
        case Loudness.NORMALIZE:
            target = _number(LOUDNESS_LUFS)
            yield f"radio = normalize(lufs=true, target={target}, radio)"
        case Loudness.REPLAYGAIN:
            yield "radio = replaygain(radio)"
        case Loudness.OFF:
            pass
        case _:
            assert_never(config.loudness)
    if length := config.crossfade:
        for_each = ("duration", "fade_in", "fade_out")
        lengths = ", ".join(f"{name}={_number(length)}" for name in for_each)
        yield f"radio = crossfade({lengths}, radio)"
    yield "radio = mksafe(radio)"
    yield ""


def _passwords(file: str) -> Iterator[str]:
    yield "def passwords() ="
    yield f'  string.split(separator="\\n", file.contents({_text(file)}))'
    yield "end"
    yield "known = passwords()"
    yield "def lost(reason) ="
    yield '  log(label="filler", "Icecast: #{reason}")'
    # Its agent starts it again; while it is connected, a new password is none of ours.
    yield "  if passwords() != known then shutdown() end"
    yield f"  {_number(RECONNECT)}"
    yield "end"
    yield ""


def _output(mount: MountSpec, number: int, order: StationOrder) -> Iterator[str]:
    server = order.spec.icecast
    user = mount.source_user or (server.source_user if server else "source")
    yield "output.icecast("
    yield f"  {_encoder(mount, order.spec.rate_hz)},"
    # Icecast is on this very host, whatever it is called.
    yield f'  host="127.0.0.1", port={order.station.port},'
    yield f"  mount={_text(mount.filler_path)},"
    yield f'  user={_text(user)}, password=list.nth(default="", known, {number}),'
    yield f"  name={_text(mount.name)}, description={_text(mount.description)},"
    yield f"  genre={_text(mount.genre)}, public=false, on_error=lost, radio)"


def _encoder(mount: MountSpec, rate_hz: Hertz) -> str:
    """Return what makes a stream of sound that the mount's own may follow on.

    In silence its bitrate stays up, as that of the mount's own source does.
    """
    rate = f"samplerate={encoded_rate(mount.codec, rate_hz)}"
    kbps = f"bitrate={mount.bitrate_kbps}"
    match mount.codec:
        case Codec.VORBIS:
            return f"%vorbis.abr({rate}, channels=2, {kbps}, min_{kbps})"
        case Codec.OPUS:
            # Liquidsoap's own ends each track with an empty packet, at which FFmpeg,
            # and with it many a player, stops for good.
            quality = f'b="{mount.bitrate_kbps}k", vbr="off"'
            audio = f'%audio(codec="libopus", channels=2, {rate}, {quality})'
            pages = f"page_duration={PAGE_MICROSECONDS}, flush_packets=1"
            return f'%ffmpeg(format="ogg", {pages}, {audio})'
        case Codec.FLAC:
            # As deep as FFmpeg makes it of JACK's samples: no player changes its depth.
            return f"%ogg(%flac({rate}, channels=2, bits_per_sample=24))"
        case Codec.MP3:
            return f"%mp3({rate}, stereo=true, {kbps})"
        case _:
            assert_never(mount.codec)


def _number(value: float) -> str:
    """Return a number as Liquidsoap's float, which always has a point."""
    return f"{value:.3f}"


def _text(text: str) -> str:
    r"""Return a string literal.

    ``#{…}`` is evaluated in each, however it is escaped: it has to be broken in two.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("#{", '#" ^ "{') + '"'
