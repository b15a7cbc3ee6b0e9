"""Whatever carries a secret shows nothing of its value: in a repr, a text, an error."""

import base64
import traceback
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

import pytest

from sessiond.core.admitting import Claim
from sessiond.core.joining import JoinLink, Token, parse_link
from sessiond.core.roles import Role
from sessiond.core.stamped import Secrets
from sessiond.errors import Refused
from sessiond.units import Address, HostName, MountPath, SessionName, TokenId
from sessiond.wire.client import AgentClient
from sessiond.wire.credentials import mutual, one_sided
from sessiond.wire.entering import Entrant
from sessiond.wire.identity import Identity
from sessiond.wire.join_client import JoinClient
from sessiond.wire.join_messages import AcquaintRequest, GreetReply, JoinRequest
from sessiond.wire.messages import (
    ApplyRequest,
    CreateRequest,
    InviteReply,
    JoinLinkRequest,
)
from sessiond.wire.peer_client import PeerClient
from sessiond.wire.peer_messages import AdmitRequest, GiveSecretsRequest
from tests.support.identities import ListedTrust, identity_of
from tests.wire.answerers import JAM, SERVER, SPEC

BOB: Final = identity_of("bob")
WHERE: Final = "127.0.0.1:7701"
PASSWORDS: Final = tuple(f"hush{n}-a-password" for n in range(5))
PROOF: Final = bytes(range(100, 132))
SIGNATURE: Final = bytes(range(140, 204))
NONCE: Final = bytes(16)
TOKEN: Final = Token(
    id=TokenId("h" + "0123456789abcdef" + "01234567"), secret="Zm9yLWJvYi1hbG9uZS4uLg"
)
LINK: Final = JoinLink(JAM, ((Address(WHERE), SERVER.id),), TOKEN)
SECRETS: Final = Secrets(
    source=PASSWORDS[0],
    admin=PASSWORDS[1],
    relay=PASSWORDS[2],
    mounts=MappingProxyType({MountPath("/mix.ogg"): PASSWORDS[3]}),
    join=PASSWORDS[4],
)
CLAIM: Final = Claim(
    role=Role.HOST,
    name="bob",
    id=BOB.id,
    certificate=BOB.certificate,
    token_id=TOKEN.id,
    expires_at=0,
)


def key_lines(identity: Identity) -> tuple[str, ...]:
    """Return what is secret of a key's text."""
    return tuple(line for line in identity.key.splitlines() if "-----" not in line)


CARRIERS: Final[tuple[object, ...]] = (
    TOKEN,
    LINK,
    SECRETS,
    BOB,
    CreateRequest(spec=SPEC, secrets=SECRETS),
    ApplyRequest(spec=SPEC, secrets=SECRETS),
    GiveSecretsRequest(session=JAM, secrets=SECRETS),
    InviteReply(link=str(LINK)),
    JoinLinkRequest(link=str(LINK)),
    GreetReply(name=HostName("alice"), nonce=NONCE, proof=PROOF),
    AcquaintRequest(certificate=BOB.certificate, nonce=NONCE, proof=PROOF),
    JoinRequest(
        session=JAM,
        token_id=TOKEN.id,
        certificate=BOB.certificate,
        name="bob",
        nonce=NONCE,
        proof=PROOF,
        signature=SIGNATURE,
    ),
    AdmitRequest(session=JAM, claim=CLAIM, nonce=NONCE, proof=PROOF),
    Entrant(identity=BOB, name="bob"),
    one_sided(BOB),
    mutual(BOB, ListedTrust()),
)


def written(secret: str | bytes) -> Iterator[str]:
    """Yield the forms in which a secret is met in a text."""
    if isinstance(secret, str):
        yield secret
        yield base64.b64encode(secret.encode()).decode()
        return
    yield secret.hex()
    yield repr(secret)[2:-1]
    yield base64.b64encode(secret).decode().rstrip("=")
    yield str([*secret])[1:-1]


HIDDEN: Final[tuple[str | bytes, ...]] = (
    *PASSWORDS,
    TOKEN.secret,
    TOKEN.key,
    *key_lines(BOB),
    PROOF,
    SIGNATURE,
)
HUSHED: Final = tuple(form for secret in HIDDEN for form in written(secret))


def shown_of(carrier: object) -> str:
    """Return all that is said of a value without asking it for its text."""
    return f"{carrier!r} {(carrier,)} { ({'x': carrier})!r}"


def require_hushed(text: str) -> None:
    assert not [secret for secret in HUSHED if secret in text]


@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda one: type(one).__name__)
def test_what_carries_a_secret_does_not_show_it(carrier: object) -> None:
    require_hushed(shown_of(carrier))
    # A token and a link are texts for the one who is invited: nothing else is.
    if not isinstance(carrier, Token | JoinLink):
        require_hushed(f"{carrier}")


async def test_no_line_shows_a_key() -> None:
    lines = (
        JoinClient(WHERE, SERVER.certificate),
        AgentClient(WHERE, pinned=SERVER.certificate, identity=BOB),
        PeerClient(WHERE, pinned=SERVER.certificate, identity=BOB),
    )
    for line in lines:
        require_hushed(shown_of(line) + str(line))
    await lines[0].close()
    await lines[2].close()


@pytest.mark.parametrize(
    "damaged",
    [
        str(LINK).replace("jam://", "http://"),
        str(LINK).replace("&t=", "&u="),
        str(LINK).replace("key=", "k="),
        str(LINK) + "&more=1",
        str(LINK) + "A",
        str(LINK)[:-1],
        str(LINK).replace(":7701", ":99999"),
        str(LINK).replace("/jam", "/No Jam"),
        str(LINK).replace(TOKEN.id, "x" + TOKEN.id[1:]),
        str(LINK).replace(SERVER.id, SERVER.id[1:]),
        str(LINK).replace(TOKEN.secret, "!" + TOKEN.secret),
    ],
)
def test_a_damaged_link_is_refused_without_being_shown(damaged: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_link(damaged)
    said = f"{caught.value} {caught.value!r} {caught.value.hint}"
    require_hushed(said)
    assert TOKEN.secret[:-1] not in said
    # Nor in what a program prints that nobody has caught it in.
    require_hushed("".join(traceback.format_exception(caught.value)))


def test_the_session_is_in_the_link_and_may_be_said() -> None:
    """The forms above find what is there: a link as a text has its secret."""
    assert TOKEN.secret in str(LINK)
    assert SessionName("jam") in repr(LINK)
    with pytest.raises(AssertionError):
        require_hushed(str(LINK))
    with pytest.raises(AssertionError):
        require_hushed(repr({"proof": PROOF}))
