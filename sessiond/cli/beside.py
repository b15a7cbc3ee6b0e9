"""Commands beside a running session: check, icecast-config, doctor."""

from pathlib import Path

import click

from sessiond.cli.arguments import FILE, HOST, json_flag
from sessiond.cli.document import as_text, doctor_document
from sessiond.cli.firewall import print_firewall
from sessiond.cli.localchecks import agent_absent, local_findings
from sessiond.cli.operator import Operator
from sessiond.cli.plans import plan_lines, plans_document
from sessiond.cli.render import findings_picture
from sessiond.cli.screen import draw
from sessiond.core.icecast_config import (
    LISTENERS,
    WEB_FOLDER,
    StationSettings,
    icecast_xml,
)
from sessiond.core.rehearsal import STATION_PORT, rehearse
from sessiond.core.relaying import parse_origin
from sessiond.core.spec import SessionSpec
from sessiond.core.specfile import SpecFile
from sessiond.core.stamped import Secrets
from sessiond.core.status import Finding, Verdict
from sessiond.errors import Broken, Refused, Unavailable
from sessiond.sessionfiles import read_secrets, read_spec, require_passwords


@click.command
@click.argument("file", type=FILE)
@json_flag
@click.pass_obj
def check(operator: Operator, file: Path, as_json: bool) -> None:  # noqa: FBT001
    """Validate a session file and show each host's plan.

    Nothing is started and no agent is asked: every host is taken to
    have the default agent file, and names stand for addresses.

    \b
    Example:
      sessiond check friday-jam.toml
    """  # noqa: D301
    written = read_spec(file)
    require_passwords(written)
    try:
        read_secrets(written, file)
    except Refused as e:
        # The plan is worth a look before the passwords are there.
        click.echo(f"warning: {e.sentence}", err=True)
    plans = rehearse(written.spec)
    if as_json:
        click.echo(as_text(plans_document(written.spec.name, plans)))
        return
    for host, plan in plans.items():
        click.echo(f"{host}:")
        for line in plan_lines(plan):
            click.echo(f"  {line}")
    click.echo(f"{file} is a good session file for {_sizes(written.spec)}.")


def _sizes(spec: SessionSpec) -> str:
    hosts, mounts = len(spec.hosts), len(spec.mounts)
    return (
        f"{hosts} host{'s' if hosts != 1 else ''} and "
        f"{mounts} mount{'s' if mounts != 1 else ''}"
    )


@click.command(name="icecast-config")
@click.argument("file", type=FILE)
@click.option(
    "--certificate",
    metavar="PEM",
    help="Where the server has its certificate and key; needed for tls = true.",
)
@click.option(
    "--page",
    "page_folder",
    metavar="FOLDER",
    help="Where the server has the listener page, as page --icecast wrote it.",
)
@click.option(
    "--relay-of",
    "origin",
    metavar="URL",
    help="For a further server: it takes every mount from this one, once somebody"
    " listens, and needs no password.",
)
@click.option(
    "--hostname",
    metavar="NAME",
    help="What listeners call the server; default: as the session file does.",
)
@click.option(
    "--listeners",
    type=click.IntRange(min=1),
    default=LISTENERS,
    show_default=True,
    metavar="N",
    help="How many may listen at a time. Icecast needs that many open files and a few"
    " more (ulimit -n).",
)
@click.pass_obj
def icecast_config(
    operator: Operator,
    file: Path,
    certificate: str | None,
    page_folder: str | None,
    origin: str | None,
    hostname: str | None,
    listeners: int,
) -> None:
    """Print an icecast.xml for a session.

    It has the limits, passwords and standby mounts that the session needs. As it
    holds the passwords, keep it to yourself. That of a relay holds none.

    \b
    Example:
      sessiond icecast-config friday-jam.toml > icecast.xml
      icecast2 -c icecast.xml
      sessiond icecast-config friday-jam.toml --relay-of http://radio.local:8000
    """  # noqa: D301
    written = read_spec(file)
    relay_of = None if origin is None else parse_origin(origin)
    server = None if relay_of else written.spec.icecast
    if server is not None and server.tls and certificate is None:
        raise Refused(
            "The session file asks for TLS, but no certificate is given.",
            "Give its place on the server with --certificate PEM.",
        )
    settings = StationSettings(
        hostname=hostname or (server.host if server else "localhost"),
        port=server.port if server else STATION_PORT,
        tls_certificate=certificate,
        web_folder=page_folder or WEB_FOLDER,
        page=page_folder is not None,
        listeners=listeners,
        relay_of=relay_of,
    )
    secrets = Secrets() if relay_of else _sources_secrets(written, file)
    click.echo(icecast_xml(written.spec, secrets, settings), nl=False)


def _sources_secrets(written: SpecFile, file: Path) -> Secrets:
    """Return what sources have to say; every mount has a password."""
    files = written.password_files
    without = [m.path for m in written.spec.mounts if m.path not in files.mounts]
    if files.source is None and without:
        raise Refused(
            f"No password is given for {', '.join(without)}.",
            "Name a file with source_password_file in [icecast].",
        )
    return read_secrets(written, file)


@click.command
@click.option(
    "--firewall",
    "wants_rules",
    is_flag=True,
    help="Print nftables rules that let in what the session needs, and nothing else"
    " on its links' ports.",
)
@click.option(
    "--host",
    type=HOST,
    help="Whose rules; default: those of the host where the command runs.",
)
@json_flag
@click.pass_obj
def doctor(
    operator: Operator,
    wants_rules: bool,  # noqa: FBT001
    host: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Check this host and say how to cure what is wrong.

    \b
    Example:
      sessiond doctor
      sessiond doctor --firewall | sudo nft -f -
    """  # noqa: D301
    if wants_rules:
        print_firewall(operator, host, as_json=as_json)
        return
    if host is not None:
        raise Refused("--host names whose firewall is meant.", "Add --firewall.")
    try:
        asked: tuple[Finding, ...] = operator.ask(lambda agent: agent.doctor())
        absent = None
    except Unavailable as e:
        asked, absent = (agent_absent(e),), e
    known = {finding.subject for finding in asked}
    local = local_findings() if absent or operator.asks_this_host else ()
    found = (*asked, *(f for f in local if f.subject not in known))
    if as_json:
        click.echo(as_text(doctor_document(found)))
    else:
        draw(operator, findings_picture(found))
    _conclude(found, absent)


def _conclude(found: tuple[Finding, ...], absent: Unavailable | None) -> None:
    """Turn what is wrong into the exit code."""
    bad = [f.subject for f in found if f.verdict is Verdict.FAIL]
    if absent is not None and len(bad) == 1:
        raise absent
    if bad:
        raise Broken(f"Not well: {', '.join(bad)}.", "The cures stand beside each.")
