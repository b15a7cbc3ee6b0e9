"""A real nginx on free ports of this machine, with the shipped configuration."""

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from sessiond.wire.identity import make_identity
from tests.support.eventually import aeventually
from tests.support.icecast import ADDRESS, free_port

SHIPPED = Path(__file__).parents[2] / "deploy/nginx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A running nginx, and what a client has to trust."""

    pid: int
    port: int
    plain_port: int
    trust: ssl.SSLContext


NAME = "radio.example.org"


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """Return the text with each first one of a pair become the second.

    A first one that is not there is a test of something that is not shipped.
    """
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def configure(
    folder: Path, icecast_port: int, port: int, plain_port: int, streams: int
) -> Path:
    """Write what is shipped, with the places of this test in it, and a certificate."""
    identity = make_identity(NAME)
    (folder / "fullchain.pem").write_text(identity.certificate)
    (folder / "privkey.pem").write_text(identity.key)
    site = replaced(
        (SHIPPED / "site.conf").read_text(),
        ("127.0.0.1:8000", f"{ADDRESS}:{icecast_port}"),
        ("/etc/sessiond/tls", str(folder)),
        ("limit_conn sessiond_streams 64;", f"limit_conn sessiond_streams {streams};"),
        ("/var/lib/nginx", str(folder)),
        ("listen 80;", f"listen {ADDRESS}:{plain_port};"),
        ("listen [::]:80;", ""),
        ("listen 443 ssl http2;", f"listen {ADDRESS}:{port} ssl http2;"),
        ("listen [::]:443 ssl http2;", ""),
    )
    (folder / "site.conf").write_text(site)
    whole = replaced(
        (SHIPPED / "nginx.conf").read_text(),
        ("/var/log/nginx", str(folder)),
        ("/etc/nginx/sessiond", str(folder)),
    )
    file = folder / "nginx.conf"
    file.write_text(f"pid {folder}/nginx.pid;\n{whole}")
    return file


@contextlib.asynccontextmanager
async def edge(
    folder: Path, icecast_port: int, *, streams: int = 64
) -> AsyncIterator[Edge]:
    """Run nginx before an Icecast until the block ends.

    Args:
        folder: Where its configuration and its logs go.
        icecast_port: Where Icecast is.
        streams: How many one address may have.
    """
    port, plain_port = free_port(), free_port()
    file = configure(folder, icecast_port, port, plain_port, streams)
    trust = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
    # The certificate is its own authority, and says so nowhere.
    trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trust.check_hostname = False
    argv = ("nginx", "-e", str(folder / "error.log"), "-c", str(file))
    child = await asyncio.create_subprocess_exec(
        *(*argv, "-g", "daemon off;"),
        stderr=asyncio.subprocess.PIPE,
    )
    made = Edge(pid=child.pid, port=port, plain_port=plain_port, trust=trust)

    def answers() -> bool:
        assert child.returncode is None, (folder / "error.log").read_text()
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, port), 5):
            return True
        return False

    try:
        await aeventually(answers, within=15)
        yield made
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        await child.communicate()
