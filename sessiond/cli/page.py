"""``sessiond page``: the listener page, written out for a web server."""

from pathlib import Path
from urllib.parse import urlsplit

import click

from sessiond.cli.arguments import FILE
from sessiond.core.icecast_config import WEB_FOLDER
from sessiond.core.page import mounts_document
from sessiond.errors import Broken, Refused
from sessiond.page import write_anew, write_page
from sessiond.sessionfiles import read_spec


@click.command
@click.argument("file", type=FILE)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The web server's folder; made if need be.",
)
@click.option(
    "--streams",
    metavar="URL",
    default="",
    help="Where a listener's browser finds Icecast, if not where the page itself is.",
)
@click.option(
    "--icecast",
    "with_icecasts_own",
    is_flag=True,
    help="Copy Icecast's own pages, too; it needs them in its web folder.",
)
def page(file: Path, folder: Path, streams: str, with_icecasts_own: bool) -> None:  # noqa: FBT001
    """Write the listener page into a folder.

    It is what a web server shows of a session.

    An embedded station has it by itself. Titles that Icecast doesn't tell of Opus
    and FLAC are on the page of an embedded station only.

    \b
    Example:
      sessiond page friday-jam.toml --to /var/www/radio --streams https://radio.example
    """  # noqa: D301
    spec = read_spec(file).spec
    if streams and urlsplit(streams).scheme not in {"http", "https"}:
        raise Refused(
            f"{streams} is no address of an Icecast.",
            "Give it as https://HOST or http://HOST:PORT.",
        )
    try:
        if with_icecasts_own:
            _copy_own_pages(folder)
        write_page(folder, mounts_document(spec, streams=streams.rstrip("/")))
    except OSError as e:
        raise Broken(
            f"The page can't be written to {folder}: {e.strerror}.",
            "Choose a folder that is yours, or correct its owner.",
        ) from e
    click.echo(f"The page of {spec.name} is in {folder}.")


def _copy_own_pages(folder: Path) -> None:
    own = Path(WEB_FOLDER)
    if not own.is_dir():
        raise Refused(
            f"Icecast's own pages are not on this computer: there is no {own}.",
            "Run this where icecast2 is installed.",
        )
    for file in own.iterdir():
        write_anew(folder / file.name, file.read_bytes())
