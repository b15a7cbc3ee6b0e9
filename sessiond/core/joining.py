"""Join links and the tokens in them.

A link says where the session answers, by which keys it is known, and carries one
token, as ``jam://HOST:PORT[,HOST:PORT]/SESSION?key=ID[,ID]&t=TOKEN_ID.SECRET``. The
ports are join ports; there is one key for each place, in the same order.

Nobody keeps a list of invitations. A token's id says what it admits to and until
when; its secret follows from the id and the session's join secret, so every member
that has the join secret can check any token. That a token is used once is written
into the document (`admitting`).

No error here quotes the text it is about: it may be the secret, in the wrong place.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final, Self

from sessiond.core.namerules import SESSION_NAME, split_address
from sessiond.core.proofs import Purpose, proof
from sessiond.core.roles import Role
from sessiond.errors import Refused, Unavailable
from sessiond.units import Address, HostId, JoinMark, SessionName, TokenId

SCHEME: Final = "jam://"

# Who answers may be away; a fourth address only makes the code on the screen denser.
MOST_PLACES: Final = 3
# Three longest addresses, keys, a name and a token are below it.
LONGEST_LINK: Final = 1024

# One letter is shorter than a word on paper and in a QR code.
_LETTERS: Final = {Role.HOST: "h", Role.OPERATOR: "o", Role.VIEWER: "v"}
_ROLES: Final = {letter: role for role, letter in _LETTERS.items()}

_LAST_PORT: Final = 65535

# Eight hexadecimal digits of seconds last until the year 2106.
_TOKEN_ID: Final = re.compile(r"([hov])([0-9a-f]{8})[0-9a-f]{16}")
_LATEST: Final = 2**32 - 1
ID_BYTES: Final = 8
"""The random bytes in a token's id: no two invitations share one."""

# 128 bits can't be guessed, whatever limits the tries.
SECRET_BYTES: Final = 16
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{22}")
JOIN_SECRET_BYTES: Final = 32
_KEY: Final = re.compile(r"[0-9a-f]{32}")

_AGAIN: Final = "Copy the whole link, or ask for a new one with `sessiond invite`."
_QUOTE: Final = "Put the link in single quotes: a shell cuts it off at the &."


@dataclass(frozen=True, slots=True)
class Token:
    """One invitation: a public id, and the secret that proves it was given.

    Attributes:
        secret: 16 bytes as url-safe base64 without padding.
    """

    id: TokenId
    secret: str = field(repr=False)

    def __str__(self) -> str:
        """``ID.SECRET``, for the link alone."""
        return f"{self.id}.{self.secret}"

    @property
    def key(self) -> bytes:
        """The secret as the key of a proof."""
        return _bytes_of(self.secret)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `__str__` wrote.

        Raises:
            Refused: It is anything else.
        """
        token_id, _, secret = text.partition(".")
        read_token_id(token_id)
        if not _SECRET.fullmatch(secret):
            raise Refused(
                "The join link's last part, its secret, is not whole.", _AGAIN
            )
        return cls(TokenId(token_id), secret)


@dataclass(frozen=True, slots=True)
class JoinLink:
    """Where to join a session, whom to expect there, and the token that lets one in.

    Attributes:
        places: Join address and key of each host that can answer; one to three.
    """

    session: SessionName
    places: tuple[tuple[Address, HostId], ...]
    token: Token

    def __str__(self) -> str:
        """The link, secret and all: only for the one who is invited."""
        hosts = ",".join(address for address, _ in self.places)
        keys = ",".join(key for _, key in self.places)
        return f"{SCHEME}{hosts}/{self.session}?key={keys}&t={self.token}"


def parse_link(text: str) -> JoinLink:
    """Read a join link as somebody pasted it.

    Raises:
        Refused: It is none, or not whole; the sentence says which part is wrong.
    """
    text = text.strip()
    if not text.startswith(SCHEME):
        raise Refused(f"This is no join link: it does not begin with {SCHEME}", _AGAIN)
    if len(text) > LONGEST_LINK:
        raise Refused("This is no join link: it is too long to be one.", _AGAIN)
    front, _, query = text.removeprefix(SCHEME).partition("?")
    hosts, _, session = front.partition("/")
    if not SESSION_NAME.accepts(session):
        raise Refused("The join link names no session after its hosts.", _AGAIN)
    given = _query(query)
    places = _places(hosts.split(","), given["key"].split(","))
    return JoinLink(SessionName(session), places, Token.parse(given["t"]))


def _query(text: str) -> dict[str, str]:
    """Return key and token: both are there, once, and nothing else is."""
    parts = [part.partition("=") for part in text.split("&")]
    given = {name: value for name, _, value in parts}
    if "key" not in given:
        raise Refused("The join link names no key after its session.", _AGAIN)
    if "t" not in given:
        raise Refused("The join link ends before its token.", _QUOTE)
    if len(parts) > 2:
        raise Refused(
            "The join link has a part that this version of sessiond does not know.",
            "Bring sessiond up to date, or copy the link once more.",
        )
    return given


def _places(hosts: list[str], keys: list[str]) -> tuple[tuple[Address, HostId], ...]:
    if len(hosts) > MOST_PLACES:
        raise Refused(f"The join link names more than {MOST_PLACES} hosts.", _AGAIN)
    if len(hosts) != len(keys):
        raise Refused("The join link has not one key for each host.", _AGAIN)
    if not all(map(split_address, hosts)):
        raise Refused("The join link has an address that is not HOST:PORT.", _AGAIN)
    if not all(map(_KEY.fullmatch, keys)):
        raise Refused("The join link has a key that is not 32 digits a–f.", _AGAIN)
    return tuple(
        (Address(host), HostId(key)) for host, key in zip(hosts, keys, strict=True)
    )


def join_address(address: Address) -> Address:
    """Return where strangers are answered: one port above where members are.

    Raises:
        Refused: There is no such address.
    """
    found = split_address(address)
    if found is None or not 0 < found[1] < _LAST_PORT:
        raise Refused(f"Nothing can be joined at {address[:48]!r}.")
    host, port = found
    shown = f"[{host}]" if ":" in host else host
    return Address(f"{shown}:{port + 1}")


# ── tokens ──────────────────────────────────────────────────────────────────────────


def invitation(
    session: SessionName,
    role: Role,
    expires_at: int,
    random: bytes,
    join_secret: str,
) -> Token:
    """Return a new token.

    Args:
        session: Whose token it is; it is good for no other.
        role: What it admits to; nobody is invited to be LOCAL.
        expires_at: Wall-clock time, whole seconds since 1970.
        random: `ID_BYTES` fresh random bytes.
        join_secret: As in `Secrets.join`.

    Raises:
        Unavailable: This host does not have the join secret.
        ValueError: Another role, number of bytes, or time than there can be.
    """
    if role not in _LETTERS or len(random) != ID_BYTES:
        raise ValueError("a token needs a role to give and 8 random bytes")
    if not 0 <= expires_at <= _LATEST:
        raise ValueError("a token's time is outside 1970 to 2106")
    token_id = TokenId(f"{_LETTERS[role]}{expires_at:08x}{random.hex()}")
    secret = token_secret(session, token_id, join_secret)
    return Token(token_id, base64.urlsafe_b64encode(secret).decode("ascii").rstrip("="))


def read_token_id(text: str) -> tuple[Role, int]:
    """Return what a token admits to, and until when (wall-clock seconds).

    Raises:
        Refused: No invitation has such an id.
    """
    found = _TOKEN_ID.fullmatch(text)
    if found is None:
        raise Refused("The join link's token is none that sessiond makes.", _AGAIN)
    return _ROLES[found[1]], int(found[2], 16)


def token_secret(session: SessionName, token_id: TokenId, join_secret: str) -> bytes:
    """Return the 16 bytes that prove a token of this session.

    Raises:
        Unavailable: This host does not have the join secret.
    """
    key = _bytes_of(join_secret)
    if len(key) != JOIN_SECRET_BYTES:
        raise Unavailable(
            f"This host does not have what the invitations of {session} are made of.",
            "Try again in a few seconds, or ask a host that may broadcast.",
        )
    fields = (session.encode("ascii"), token_id.encode("ascii"))
    return proof(key, Purpose.INVITATION, *fields)[:SECRET_BYTES]


def join_mark(join_secret: str) -> JoinMark | None:
    """Return by what a document names a join secret, which nobody learns from it.

    Args:
        join_secret: As in `Secrets.join`.

    Returns:
        64 hexadecimal digits; None for what is no join secret.
    """
    key = _bytes_of(join_secret)
    if len(key) != JOIN_SECRET_BYTES:
        return None
    return JoinMark(proof(key, Purpose.MARK).hex())


def _bytes_of(text: str) -> bytes:
    """Return what url-safe base64 without padding stands for; nothing if it is none."""
    try:
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        return base64.b64decode(padded.encode("ascii"), b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return b""
