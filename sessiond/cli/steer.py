"""Commands that change something: a session, a fader, a musician's inputs."""

from pathlib import Path

import click

from sessiond.cli.arguments import (
    DECIBELS,
    FILE,
    HOST,
    MOUNT,
    SECONDS,
    SESSION,
    json_flag,
)
from sessiond.cli.difference import difference
from sessiond.cli.document import as_text, created_document
from sessiond.cli.invitation import invited, not_joined, show_links
from sessiond.cli.operator import Operator, PeopleApi
from sessiond.core.specfile import SpecFile
from sessiond.core.stamped import Secrets, StampedSpec
from sessiond.errors import Refused
from sessiond.sessionfiles import read_secrets, read_spec, require_passwords
from sessiond.units import Decibels, HostName, MountPath, Seconds, SessionName


@click.command
@click.argument("file", type=FILE)
@click.option(
    "--wait",
    type=SECONDS,
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to follow the session; 0 returns once it is made.",
)
@json_flag
@click.pass_obj
def create(operator: Operator, file: Path, wait: float, as_json: bool) -> None:  # noqa: FBT001
    """Create the session that FILE describes.

    It is followed until it is on the air, or for --wait seconds. For each host that is
    not of your studio there is a join link, to be used on that host; the session waits
    for it, and plays meanwhile.

    \b
    Example:
      sessiond create friday-jam.toml
    """  # noqa: D301
    written = read_spec(file)
    require_passwords(written)
    secrets = read_secrets(written, file)

    async def form(agent: PeopleApi) -> None:
        stamped = await agent.create(written.spec, secrets)
        links = await invited(agent, stamped.spec.name, not_joined(stamped))
        # Only now, while the session begins: what draws pictures is slow to import.
        from sessiond.cli.forming import (  # noqa: PLC0415
            follow_forming,
            report_stamped,
        )

        if as_json:
            click.echo(as_text(created_document(stamped, links)))
        else:
            report_stamped(stamped)
            show_links(operator, links)
        if wait:
            limit = Seconds(wait)
            await follow_forming(operator, agent, stamped, limit, silent=as_json)

    operator.ask(form)


@click.command
@click.argument("file", type=FILE)
@click.option("--yes", is_flag=True, help="Don't ask, though FILE has no based_on.")
@click.pass_obj
def apply(operator: Operator, file: Path, yes: bool) -> None:  # noqa: FBT001
    """Change a running session to what FILE says.

    Only what differs restarts. A FILE with a based_on line is refused when the session
    has changed since. Left-out password files keep what is stored for the same Icecast.
    A new host that is not of your studio gets a join link, as with create.

    \b
    Example:
      sessiond apply friday-jam.toml
    """  # noqa: D301
    written = read_spec(file)
    secrets = read_secrets(written, file)

    async def change(agent: PeopleApi) -> None:
        running = await agent.spec(written.spec.name)
        _refuse_outdated(written, running)
        if not _announce(running, written, secrets):
            return
        if written.based_on is None and not yes:
            _ask(operator, written)
        stamped = await agent.apply(written.spec, secrets, running.stamp)
        click.echo(f"{stamped.spec.name} is now at {stamped.stamp}.")
        known = running.spec.host_names
        new = (name for name in not_joined(stamped) if name not in known)
        show_links(operator, await invited(agent, stamped.spec.name, new))

    operator.ask(change)


def _refuse_outdated(written: SpecFile, running: StampedSpec) -> None:
    based_on, name = written.based_on, running.spec.name
    if based_on is not None and based_on != running.stamp:
        raise Refused(
            f"The file is based on {based_on}, but {name} is at {running.stamp}.",
            f"See what changed with sessiond spec {name}, and bring it into your file.",
        )


def _announce(running: StampedSpec, written: SpecFile, secrets: Secrets) -> bool:
    """Print what would change; False when nothing would."""
    lines = list(difference(running.spec, written.spec))
    if secrets != Secrets():
        lines.append("~ passwords, as far as the file names any")
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo(f"{running.spec.name} is as the file says already.")
    return bool(lines)


def _ask(operator: Operator, written: SpecFile) -> None:
    name = written.spec.name
    if not operator.can_answer:
        raise Refused(
            f"Nobody can be asked whether to change {name}, and nothing was changed.",
            "Give --yes, or put the based_on line of `sessiond spec` into the file.",
        )
    if not click.confirm(f"Change {name}?"):
        raise Refused("Nothing was changed.")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", type=SESSION)
@click.argument("mount", type=MOUNT)
@click.argument("host", type=HOST)
@click.argument("gain_db", type=DECIBELS, metavar="DB")
@click.pass_obj
def gain(
    operator: Operator, name: str, mount: str, host: str, gain_db: Decibels
) -> None:
    """Set how loud HOST is on MOUNT.

    In decibels: 0 is as played, -inf is silence.

    \b
    Example:
      sessiond gain friday-jam /mix.ogg bob -6
    """  # noqa: D301
    session, path, musician = SessionName(name), MountPath(mount), HostName(host)
    stamp = operator.ask(lambda agent: agent.gain(session, path, musician, gain_db))
    click.echo(f"{host} is at {gain_db:+g} dB on {mount}; {name} is now at {stamp}.")


@click.command
@click.argument("host", type=HOST, required=False)
@click.pass_obj
def mute(operator: Operator, host: str | None) -> None:
    """Close a musician's inputs at once.

    Without HOST, those of the host that is asked.

    \b
    Example:
      sessiond mute bob
    """  # noqa: D301
    operator.ask(lambda agent: agent.mute(_host(host), muted=True))
    click.echo(f"{host or 'This host'} is muted.")


@click.command
@click.argument("host", type=HOST, required=False)
@click.pass_obj
def unmute(operator: Operator, host: str | None) -> None:
    """Open a musician's inputs again.

    \b
    Example:
      sessiond unmute bob
    """  # noqa: D301
    operator.ask(lambda agent: agent.mute(_host(host), muted=False))
    click.echo(f"{host or 'This host'} is heard again.")


@click.command
@click.pass_obj
def leave(operator: Operator) -> None:
    """Take this host out of its session.

    The others play on.

    \b
    Example:
      sessiond leave
    """  # noqa: D301
    operator.ask(lambda agent: agent.leave())
    click.echo("This host has left its session.")


@click.command
@click.pass_obj
def resume(operator: Operator) -> None:
    """Go on with this host's session after a boot.

    A host that boots into a session opens no microphone until it has heard another
    member, or its owner says so.

    \b
    Example:
      sessiond resume
    """  # noqa: D301
    operator.ask(lambda agent: agent.resume())
    click.echo("This host goes on with its session.")


@click.command
@click.argument("name", type=SESSION)
@click.argument("host", type=HOST, required=False)
@click.pass_obj
def handover(operator: Operator, name: str, host: str | None) -> None:
    """Let another host broadcast.

    HOST, or the next in rank; listeners stay.

    \b
    Example:
      sessiond handover friday-jam bob
    """  # noqa: D301
    new = operator.ask(lambda agent: agent.handover(SessionName(name), _host(host)))
    click.echo(f"{new} broadcasts {name} now.")


@click.command
@click.argument("name", type=SESSION)
@click.pass_obj
def stop(operator: Operator, name: str) -> None:
    """End a session everywhere.

    \b
    Example:
      sessiond stop friday-jam
    """  # noqa: D301
    operator.ask(lambda agent: agent.stop(SessionName(name)))
    click.echo(f"{name} is stopped.")


def _host(name: str | None) -> HostName | None:
    return HostName(name) if name is not None else None
