"""``doctor --firewall``: the session's document and this machine's names as rules."""

import socket
from collections.abc import Iterable
from contextlib import suppress

import click

from sessiond.cli.document import as_text, firewall_document
from sessiond.cli.operator import Operator
from sessiond.core.firewall import Seat, firewall, nft_rules
from sessiond.core.namerules import split_address
from sessiond.core.stamped import StampedSpec
from sessiond.core.status import HostSighting
from sessiond.errors import Refused
from sessiond.units import Address, HostName, Seconds
from sessiond.wire.api import AgentApi


def print_firewall(operator: Operator, host: str | None, *, as_json: bool) -> None:
    """Print the rules of a host; without a name of the one where the command runs.

    Raises:
        Refused: There is no such host, or nobody can tell which one this is.
    """
    sightings, document = operator.ask(_asked)
    me = _chosen(sightings, host)
    _, port = _split(me.address)
    wall = firewall(
        document if me.session and document else None,
        Seat(host=me.name, port=port, places=_places(document)),
    )
    if as_json:
        click.echo(as_text(firewall_document(wall)))
    else:
        click.echo(nft_rules(wall), nl=False)


async def _asked(
    agent: AgentApi,
) -> tuple[tuple[HostSighting, ...], StampedSpec | None]:
    sightings = await agent.hosts(Seconds(0.0))
    if not any(seen.session for seen in sightings):
        return sightings, None
    # The agent that is asked may be in no session, or may just have left it.
    with suppress(Refused):
        return sightings, await agent.spec(None)
    return sightings, None


def _chosen(sightings: Iterable[HostSighting], host: str | None) -> HostSighting:
    """Return the host that the rules are for."""
    seen = tuple(sightings)
    if host is None:
        fitting = [one for one in seen if is_here(_split(one.address)[0])]
    else:
        fitting = [one for one in seen if one.name == host]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(sorted({one.name for one in seen})) or "nobody"
    which = f"{host} was not found" if host else "None of the hosts found is this one"
    if fitting:
        which = "Several of the hosts found are meant"
    raise Refused(f"{which}.", f"Name one with --host; found: {names}.")


def _places(document: StampedSpec | None) -> dict[HostName, tuple[str, ...]]:
    members = document.members if document else ()
    return {
        member.name: addresses_of(_split(member.address)[0])
        for member in members
        if member.address is not None
    }


def _split(address: Address) -> tuple[str, int]:
    found = split_address(address)
    if found is None:  # an agent's own word, checked when it came
        raise Refused(f"{address} is no HOST:PORT.")
    return found


def addresses_of(host: str) -> tuple[str, ...]:
    """Return the IP addresses that a name or an address stands for; maybe none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except OSError:
        return ()
    # A link-local address comes with its interface, which no rule takes.
    return tuple(sorted({str(one[4][0]).partition("%")[0] for one in found}))


def is_here(host: str) -> bool:
    """Tell whether a name or an address is one of this machine's own."""
    return any(map(_can_bind, addresses_of(host)))


def _can_bind(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
