"""Commands about who belongs to a session: invite, join, remove."""

import asyncio
import getpass
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from sessiond.cli.arguments import PERSON, SESSION, is_label, json_flag
from sessiond.cli.document import as_text, invitation_document
from sessiond.cli.invitation import LIVES, command, show_code
from sessiond.cli.operator import Operator, connect_by_grpc
from sessiond.core.joining import SCHEME, JoinLink, parse_link, read_token_id
from sessiond.core.namerules import host_name_from
from sessiond.core.roles import Role
from sessiond.core.soundness import require_sound
from sessiond.core.stamped import StampedSpec
from sessiond.errors import Refused, SessiondError, Unavailable
from sessiond.units import Address, HostId, Seconds, SessionName

if TYPE_CHECKING:
    # By name only: it loads `cryptography`, which a computer's own link never needs.
    from sessiond.cli.person import MetSession

_WHO = {Role.HOST: "a host", Role.OPERATOR: "an operator", Role.VIEWER: "a viewer"}


@click.command
@click.argument("name", type=SESSION, required=False)
@click.option("--viewer", is_flag=True, help="For a person who may only look on.")
@click.option("--operator", "operates", is_flag=True, help="For one who may change it.")
@json_flag
@click.pass_obj
def invite(
    operator: Operator,
    name: str | None,
    viewer: bool,  # noqa: FBT001
    operates: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> None:
    """Make a join link that lets one in.

    It is good once, within 15 minutes, for a musician's computer unless you say
    otherwise. Without NAME it is for the session of the host that is asked. Send it as
    you would send a password.

    \b
    Example:
      sessiond invite friday-jam
      sessiond invite friday-jam --viewer
    """  # noqa: D301
    role = _role(viewer=viewer, operates=operates)
    session = SessionName(name) if name is not None else None
    link = parse_link(operator.ask(lambda agent: agent.invite(session, role)))
    if as_json:
        click.echo(as_text(invitation_document(link, role)))
    elif operator.on_terminal:
        click.echo(f"This lets {_WHO[role]} into {link.session}, {LIVES}:")
        click.echo(f"  {command(link)}")
        show_code(operator, link)
    else:
        click.echo(str(link))


def _role(*, viewer: bool, operates: bool) -> Role:
    if viewer and operates:
        raise Refused("A link is for a viewer or for an operator, not for both.")
    if operates:
        return Role.OPERATOR
    return Role.VIEWER if viewer else Role.HOST


@click.command
@click.argument("link", metavar="LINK|NAME")
@click.option(
    "--as",
    "label",
    type=PERSON,
    help="As whom, with an operator's or a viewer's link; default: your login and"
    " this computer.",
)
@click.pass_obj
@click.pass_context
def join(ctx: click.Context, operator: Operator, link: str, label: str | None) -> None:
    """Join a session by the link that its hosts made for you.

    A musician's link lets this computer take part, through its agent; by running this
    you agree. An operator's or a viewer's link is for you, on whatever computer: from
    then on --agent leads to the session's hosts. The name of a session that you have
    joined so finds its hosts again when they have moved.

    \b
    Example:
      sessiond join 'jam://192.168.1.20:7701/friday-jam?key=…&t=…'
      sessiond join friday-jam
    """  # noqa: D301
    if not link.strip().startswith(SCHEME):
        _rejoin(operator, SessionName(SESSION.convert(link, None, ctx)))
        return
    parsed = parse_link(link)
    role, _ = read_token_id(parsed.token.id)
    if role is not Role.HOST:
        _join_in_person(parsed, role, label or _own_label())
        return
    if label is not None:
        raise Refused(
            "This link is for a computer, which has its name from its agent.toml.",
            "Leave --as out.",
        )
    stamped = operator.ask(lambda agent: agent.join(str(parsed)))
    click.echo(f"This host is in {stamped.spec.name} now, at {stamped.stamp}.")


def _join_in_person(link: JoinLink, role: Role, label: str) -> None:
    from sessiond.cli.person import Belongings  # noqa: PLC0415  slow to import
    from sessiond.wire.entering import Entrant, enter  # noqa: PLC0415  likewise

    own = Belongings.of(os.environ)
    identity = own.identity_for(label)
    stamped, _ = asyncio.run(enter(link, Entrant(identity=identity, name=label)))
    met = own.remember(stamped, role)
    click.echo(f"{label} is {_WHO[role]} of {link.session} now, at {stamped.stamp}.")
    _tell_where(met, (key for _, key in link.places))


def _own_label() -> str:
    """Return who this person is on which computer, as others should see it."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        login = "somebody"
    here = host_name_from(socket.gethostname())
    label = f"{login}@{here}" if here else login
    return label if is_label(label) else "somebody"


def _rejoin(operator: Operator, name: SessionName) -> None:
    """Look where the hosts of a session are now, and who they are.

    Raises:
        Refused: This person has no place in that session, or what a host of it
            answers is another one.
        Unavailable: None of its hosts answers.
    """
    from sessiond.cli.person import Belongings  # noqa: PLC0415  slow to import

    own = Belongings.of(os.environ)
    known = own.session(name)
    if known is None:
        raise Refused(
            f"No link to {name} was used here, and a name alone proves nothing.",
            f"Ask for a link: one of its hosts makes one with sessiond invite {name}.",
        )
    stamped = asyncio.run(_asked(known, _seen(operator)))
    # Else a host of one session would say who the hosts of another are.
    if stamped.spec.name != name:
        raise Refused(
            f"A host of {name} answers with the session {stamped.spec.name}.",
            f"Nothing was changed. Ask for a new link: sessiond invite {name}.",
        )
    met = own.remember(stamped, known.role)
    click.echo(f"{name} is found, at {stamped.stamp}.")
    _tell_where(met, ())


def _seen(operator: Operator) -> Mapping[HostId, Address]:
    """Return where the agent of this computer, if it has one, sees others."""
    with suppress(SessiondError):
        found = operator.ask(lambda agent: agent.hosts(Seconds(1.0)))
        return {sighting.id: sighting.address for sighting in found}
    return {}


async def _asked(known: "MetSession", seen: Mapping[HostId, Address]) -> StampedSpec:
    """Return the document of the first member that answers, as a leader stamps it.

    Args:
        known: Who has to answer, and where each was before.
        seen: Where somebody says that members are now. It may be false, so the old
            address is tried as well, and nothing of it is kept.
    """
    places = [
        (address, met.certificate)
        for met in known.members
        for address in dict.fromkeys((seen.get(met.id, met.address), met.address))
    ]
    for address, certificate in places:
        with suppress(Unavailable):
            async with connect_by_grpc(address, certificate) as agent:
                stamped = await agent.spec(known.name)
                require_sound(stamped)
                return stamped
    raise Unavailable(
        f"None of the hosts of {known.name} answers where it was last seen.",
        "If they have moved, or you have been removed, ask for a new link:"
        f" sessiond invite {known.name}.",
    )


def _tell_where(met: "MetSession", preferred: Iterable[HostId]) -> None:
    """Say at which address this person looks at the session from now on."""
    first = frozenset(preferred)
    places = sorted(met.members, key=lambda one: one.id not in first)
    for place in places[:1]:
        click.echo(f"Look: sessiond --agent {place.address} status {met.name}")


@click.command
@click.argument("name", type=SESSION)
@click.argument("who", type=PERSON)
@click.pass_obj
def remove(operator: Operator, name: str, who: str) -> None:
    """Take WHO out of a session, at once.

    That is a host, or an operator or viewer by the name that they joined under. Their
    connections end, and only a new link lets them in again.

    \b
    Example:
      sessiond remove friday-jam bob
    """  # noqa: D301
    stamp = operator.ask(lambda agent: agent.remove(SessionName(name), who))
    click.echo(f"{who} is in {name} no more; it is now at {stamp}.")
