"""Join links as people get them: the command to run, and a code for a camera.

A link is a secret until it is used: it goes to standard output, on request only, and
nowhere else.
"""

import io
import shutil
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import click

from sessiond.cli.operator import Operator, PeopleApi
from sessiond.core.joining import JoinLink, parse_link
from sessiond.core.mistakes import visible
from sessiond.core.roles import Role
from sessiond.core.stamped import StampedSpec
from sessiond.errors import SessiondError
from sessiond.units import HostName, SessionName

# More would push the session itself off the screen.
_MOST_AT_ONCE: Final = 8

# Two modules, half of what the standard asks for, suffice every camera tried.
_BORDER: Final = 2

LIVES: Final = "once, within 15 minutes"


async def invited(
    agent: PeopleApi, session: SessionName, names: Iterable[HostName]
) -> Mapping[HostName, JoinLink]:
    """Return a link for each of the first of these hosts.

    What goes wrong is told and is no error: the session is there without links.
    """
    links: dict[HostName, JoinLink] = {}
    for name in tuple(names)[:_MOST_AT_ONCE]:
        try:
            links[name] = parse_link(await agent.invite(session, Role.HOST))
        except SessiondError as e:
            click.echo(f"warning: No join link: {visible(e.sentence)}", err=True)
            click.echo(f"hint: Try again with sessiond invite {session}.", err=True)
            break
    return MappingProxyType(links)


def not_joined(stamped: StampedSpec) -> tuple[HostName, ...]:
    """Return the hosts of a session whose place nobody has taken yet, in its order."""
    return tuple(member.name for member in stamped.members if member.id is None)


def show_links(operator: Operator, links: Mapping[HostName, JoinLink]) -> None:
    """Print what to run on each of these hosts."""
    for name, link in links.items():
        click.echo(f"Run this on {name}; it is good {LIVES}:")
        click.echo(f"  {command(link)}")
    for name, link in tuple(links.items())[:1]:
        if len(links) > 1:
            title = f"{name}'s as a code; sessiond invite shows another"
            show_code(operator, link, title=title)
        else:
            show_code(operator, link)


def command(link: JoinLink) -> str:
    """Return the command that uses a link, for any shell."""
    return f"sessiond join '{link}'"


def show_code(operator: Operator, link: JoinLink, *, title: str = "") -> None:
    """Print a link as a QR code, on a terminal that can show it."""
    if not operator.on_terminal:
        return
    code = qr_code(str(link))
    width = max(map(len, code.splitlines()))
    if shutil.get_terminal_size().columns < width or not _can_show(code):
        return
    if title:
        click.echo(f"{title}:")
    click.echo(code)


def qr_code(text: str) -> str:
    """Return a QR code as lines of half blocks; the light parts are the blocks."""
    import segno  # noqa: PLC0415  slow to import, and rarely needed

    lines = io.StringIO()
    code = segno.make(text, error="l", micro=False)
    code.terminal(lines, border=_BORDER, compact=True)
    return lines.getvalue()


def _can_show(code: str) -> bool:
    try:
        code.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
