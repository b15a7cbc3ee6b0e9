"""``sessiond listen``: the mounts as the audience has them, from this computer."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import click
from rich.live import Live

from sessiond.cli.arguments import FILE, MOUNT, SECONDS, SESSION, json_flag
from sessiond.cli.document import as_text
from sessiond.cli.heard import (
    Listened,
    all_heard,
    health_line,
    sounds_document,
    sounds_picture,
)
from sessiond.cli.operator import Operator
from sessiond.cli.screen import console, draw
from sessiond.core.hearing import SilenceRule
from sessiond.core.status import SessionStatus
from sessiond.errors import Broken, Refused, SessiondError, Unavailable
from sessiond.hearing.ears import all_ears
from sessiond.hearing.mount_ear import MountEar
from sessiond.hearing.stream import split
from sessiond.units import Decibels, MountPath, Seconds, SessionName

_RULE: Final = SilenceRule()

# Long enough for a loudness, with the burst that comes at once; also for the slowest
# first byte, that of Vorbis, and for silence to be called so.
_LOOK: Final = Seconds(8.0)

_EVERY: Final = Seconds(1.0)

# The session's ear finds a delay anew about so often.
_ASK_EVERY: Final = Seconds(5.0)

_NOT_HEARD: Final = Unavailable.exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mount:
    path: MountPath
    url: str


class Delays:
    """How much later a session's own ear hears its mounts than JACK does, at present.

    Args:
        operator: Whose agent is asked.
        name: The session; a stream's URL has no ear of a session.
    """

    def __init__(self, operator: Operator, name: str) -> None:
        self._operator = operator
        self._name = name
        self._known: Mapping[MountPath, Seconds | None] = {}
        self._asked: asyncio.Future[None] | None = None
        self._asked_at = Seconds(float("-inf"))

    def of(self, path: MountPath) -> Seconds | None:
        """Return a mount's, as the agent said last; None for unknown."""
        return self._known.get(path)

    def ask(self) -> None:
        """Ask the agent; where it does not answer, all are unknown."""
        known: Mapping[MountPath, Seconds | None] = {}
        if "://" not in self._name:
            with suppress(SessiondError):
                known = _delays(_status(self._operator, self._name))
        self._known = known

    def ask_now_and_then(self, now: Seconds) -> None:
        """Ask beside the loop once it is time; an agent may be slow to answer."""
        is_asked = self._asked is not None and not self._asked.done()
        if not is_asked and now - self._asked_at >= _ASK_EVERY:
            self._asked_at = now
            loop = asyncio.get_running_loop()
            self._asked = loop.run_in_executor(None, self.ask)


class _NameOrUrl(click.ParamType[str]):
    name = "NAME"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        if "://" not in value:
            return SESSION.convert(value, param, ctx)
        try:
            split(value)
        except Refused as e:
            self.fail(f"{e.sentence} {e.hint}", param, ctx)
        return value


@click.command
@click.argument("name", type=_NameOrUrl())
@click.argument("mounts", type=MOUNT, nargs=-1, metavar="[MOUNT]...")
@click.option("--watch", is_flag=True, help="Go on, and show it every second.")
@click.option("--check", is_flag=True, help="One line for cron; 3 unless all sound.")
@click.option("--record", type=FILE, metavar="FILE", help="Keep what is heard there.")
@click.option(
    "--for", "seconds", type=SECONDS, metavar="SECONDS", help="How long to listen."
)
@click.option(
    "--silent-below",
    type=click.FloatRange(-100, 0),
    default=_RULE.below_db,
    show_default=True,
    metavar="DB",
    help="Mean power that is no sound.",
)
@click.option(
    "--silent-after",
    type=click.FloatRange(0.5, 3600),
    default=_RULE.after,
    show_default=True,
    metavar="SECONDS",
    help="For how long, to be called silent.",
)
@json_flag
@click.pass_obj
def listen(  # noqa: PLR0917  its options
    operator: Operator,
    name: str,
    mounts: tuple[str, ...],
    watch: bool,  # noqa: FBT001
    check: bool,  # noqa: FBT001
    record: Path | None,
    seconds: float | None,
    silent_below: float,
    silent_after: float,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Listen to mounts as the audience does.

    It plays nothing: it decodes what a session's listeners get, and shows level,
    loudness (EBU R 128), title, delay and gaps of each mount. AHEAD is how much sound a
    player holds at present, DELAY how much later it is than in JACK, as the session's
    own ear finds it. Without --watch it listens for 8 s. NAME may be the URL of any
    stream, which needs no agent.

    --check prints one line and ends with 3 when a mount is off the air or silent.
    --record keeps one mount's stream, an air check, until Ctrl-C or for --for SECONDS.

    \b
    Example:
      sessiond listen friday-jam --watch
      sessiond listen friday-jam /mix.ogg --record air-check.ogg --for 60
      sessiond listen friday-jam --check
      sessiond listen http://radio.local:8000/mix.ogg --check
    """  # noqa: D301
    chosen = _chosen(operator, name, mounts)
    rule = SilenceRule(below_db=Decibels(silent_below), after=Seconds(silent_after))
    endless = (watch or record is not None) and not check
    length = seconds if seconds is not None else None if endless else _LOOK
    with ExitStack() as stack:
        keep = _recorder(record, chosen, stack)
        ears = [_ear(mount, rule, keep) for mount in chosen]
        delays = Delays(operator, name)

        def heard_now() -> tuple[Listened, ...]:
            return tuple(
                _listened(mount, ear, delays.of(mount.path))
                for mount, ear in zip(chosen, ears, strict=True)
            )

        show = _shower(operator, name, stack, watch=watch and not check, json=as_json)

        def look() -> None:
            delays.ask_now_and_then(_now())
            show(heard_now())

        asyncio.run(_hear(ears, length, look))
        delays.ask()
        heard = heard_now()
    if check:
        click.echo(
            as_text(sounds_document(name, heard), indent=None)
            if as_json
            else health_line(name, heard)
        )
    elif as_json and not watch:
        click.echo(as_text(sounds_document(name, heard)))
    elif not watch:
        draw(operator, sounds_picture(heard))
    if check and not all_heard(heard):
        raise click.exceptions.Exit(_NOT_HEARD)


def _chosen(operator: Operator, name: str, mounts: Sequence[str]) -> tuple[_Mount, ...]:
    """Return what to listen to.

    Raises:
        Refused: The session has no such mount, or none at all.
    """
    if "://" in name:
        if mounts:
            raise Refused("A URL is a mount already.", "Leave the other names out.")
        return (_Mount(path=MountPath(split(name).path or "/"), url=name),)
    status = _status(operator, name)
    there = {m.path: _Mount(path=m.path, url=m.url) for m in status.mounts}
    if lacking := [path for path in mounts if path not in there]:
        raise Refused(
            f"{name} has no mount {', '.join(lacking)}.",
            f"It has {', '.join(there) or 'none'}.",
        )
    chosen = [each for path, each in there.items() if not mounts or path in mounts]
    if not chosen:
        raise Refused(f"{name} has no mounts.", "Add a [[mount]] to its session file.")
    return tuple(chosen)


def _status(operator: Operator, name: str) -> SessionStatus:
    return operator.ask(lambda agent: agent.status(SessionName(name)))


def _delays(status: SessionStatus) -> Mapping[MountPath, Seconds | None]:
    return {m.path: m.sound.delay_s if m.sound else None for m in status.mounts}


def _recorder(
    file: Path | None, chosen: Sequence[_Mount], stack: ExitStack
) -> Callable[[bytes], None] | None:
    """Return what keeps the sound; None without a file.

    Raises:
        Refused: There are several mounts, or there is such a file.
        Broken: The file can't be written.
    """
    if file is None:
        return None
    if len(chosen) != 1:
        raise Refused("A file holds one mount.", "Name the mount to record.")
    try:
        kept = stack.enter_context(file.open("xb"))
    except FileExistsError as e:
        raise Refused(f"There is a file {file} already.", "Give another name.") from e
    except OSError as e:
        raise Broken(f"{file} can't be written: {e.strerror}.") from e

    def keep(sound: bytes) -> None:
        try:
            kept.write(sound)
            kept.flush()
        except OSError as e:
            raise Broken(f"{file} can't be written: {e.strerror}.") from e

    return keep


def _ear(
    mount: _Mount, rule: SilenceRule, keep: Callable[[bytes], None] | None
) -> MountEar:
    return MountEar(mount.url, mount.path, rule=rule, now=_now, record=keep)


def _now() -> Seconds:
    return Seconds(time.monotonic())


def _listened(mount: _Mount, ear: MountEar, delay_s: Seconds | None) -> Listened:
    sound = replace(ear.sound(), delay_s=delay_s)
    return Listened(url=mount.url, sound=sound, trouble=ear.trouble)


async def _hear(
    ears: Sequence[MountEar], length: float | None, look: Callable[[], None]
) -> None:
    """Listen for so many seconds, or for ever, and look every second."""
    began = _now()
    async with all_ears(ears):
        while length is None or _now() - began < length:
            left = _EVERY if length is None else length - (_now() - began)
            await asyncio.sleep(max(0.0, min(_EVERY, left)))
            look()


def _shower(
    operator: Operator, name: str, stack: ExitStack, *, watch: bool, json: bool
) -> Callable[[tuple[Listened, ...]], None]:
    """Return what shows a look every second; without `watch` it shows nothing."""
    if not watch:
        return lambda _: None
    if json:
        return lambda heard: click.echo(
            as_text(sounds_document(name, heard), indent=None)
        )
    if not operator.on_terminal:
        return lambda heard: draw(operator, sounds_picture(heard))
    live = stack.enter_context(
        Live(console=console(operator), screen=True, auto_refresh=False)
    )
    return lambda heard: live.update(sounds_picture(heard), refresh=True)
