"""The heads of what a source asks of Icecast: the PUT of a mount, and its title.

Source: Icecast 2.4.4, ``connection_complete_source`` and ``command_metadata``; RFC 7617
(basic authentication).
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from sessiond.core.holder import HolderLabel, describe
from sessiond.core.sourcing import Lease, Seat, SourceOrder
from sessiond.core.spec import Codec
from sessiond.errors import Refused

# Icecast 2.4 reads a request's head into one buffer of this size
# (PER_CLIENT_REFBUF_SIZE) and drops the connection when it is not all there.
HEAD_LIMIT_BYTES: Final = 4095

CONTENT_TYPES: Final[Mapping[Codec, str]] = {
    Codec.VORBIS: "application/ogg",
    Codec.OPUS: "application/ogg",
    Codec.FLAC: "application/ogg",
    Codec.MP3: "audio/mpeg",
}

_TITLE_DONE: Final = "Metadata update successful"
_MESSAGE: Final = re.compile(r"<(message|b)>([^<]*)</")

# A session file's mount paths and their standby mounts.
_PATH: Final = re.compile(r"/[A-Za-z0-9_-]{1,56}\.(ogg|opus|flac|mp3)")


def request_head(order: SourceOrder, *, password: str, lease: Lease) -> bytes:
    """Return the head of the PUT that opens the lease's seat, to its empty line.

    It holds the password: it is for the socket, never for a log. Without
    ``Expect`` both Icecast 2.4 and 2.5 answer 200 before the first byte of sound.

    Raises:
        Refused: A text holds a line break or another control character, the user
            holds a colon, or the head is longer than Icecast reads.
    """
    path = order.mount(lease.seat)
    if not _PATH.fullmatch(path):
        raise Refused(f"{path!r} is no mount path.")
    label = HolderLabel(
        session=order.session, term=lease.term, host=order.host, role=lease.role
    )
    public = order.public and lease.seat is Seat.PRIMARY
    fields = (
        *_sender(order, password),
        ("Content-Type", CONTENT_TYPES[order.codec]),
        ("Ice-Public", "1" if public else "0"),
        ("Ice-Name", order.name),
        ("Ice-Description", describe(order.description, label)),
        ("Ice-Genre", order.genre),
        ("Ice-Bitrate", str(order.bitrate_kbps or "")),
    )
    lines = [f"PUT {path} HTTP/1.1"]
    lines += [_header(name, value) for name, value in fields if value]
    head = _encoded("\r\n".join(lines) + "\r\n\r\n")
    if len(head) > HEAD_LIMIT_BYTES:
        raise Refused(
            f"The name, description and genre of {path} are too long for "
            f"Icecast by {len(head) - HEAD_LIMIT_BYTES} bytes.",
            "Shorten the description.",
        )
    return head


def title_head(order: SourceOrder, seat: Seat, *, password: str) -> bytes:
    """Return the request that has Icecast show the order's title on a seat.

    Only Vorbis and MP3 have their titles from there. It holds the password, too.

    Raises:
        Refused: The user holds a colon.
    """
    asked = {
        "mode": "updinfo",
        "mount": order.mount(seat),
        "charset": "UTF-8",
        "song": order.title,
    }
    query = urlencode(asked, quote_via=quote, errors="replace")
    lines = [f"GET /admin/metadata?{query} HTTP/1.0"]
    lines += [_header(name, value) for name, value in _sender(order, password)]
    return _encoded("\r\n".join(lines) + "\r\n\r\n")


def title_refusal(answer: str) -> str:
    """Return why Icecast does not show a title, in its words; empty if it does.

    It says 200, and ``<return>1</return>``, also when it does not.
    """
    if _TITLE_DONE in answer:
        return ""
    found = _MESSAGE.search(answer)
    said = found[2].strip() if found else answer.partition("\r\n")[0]
    return said or "it said nothing"


def _sender(order: SourceOrder, password: str) -> tuple[tuple[str, str], ...]:
    if ":" in order.user:
        raise Refused("Icecast's source user can't hold a colon.")
    token = b64encode(_encoded(f"{order.user}:{password}")).decode("ascii")
    return (
        ("Host", f"{order.address}:{order.port}"),
        ("Authorization", f"Basic {token}"),
        ("User-Agent", "sessiond"),
    )


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Not from the error: it would show the text, which may hold the password.
        raise Refused("A text for Icecast holds half a Unicode character.") from None


def _header(name: str, value: str) -> str:
    if any(character < " " or character == "\x7f" for character in value):
        raise Refused(f"{name} can't hold a line break or a control character.")
    return f"{name}: {value}"
