"""What the answering side of a join remembers, so that trying does not pay.

Everything is bounded: whoever can't prove anything can make no host remember more
than a few thousand short texts. Time is the monotonic clock's.
"""

import ipaddress
from typing import Final

from sessiond.errors import Refused, Unavailable
from sessiond.units import Seconds, TokenId

# A join takes less than a second; a person's slow network some more.
NONCE_LIVES: Final = Seconds(30.0)
MOST_NONCES: Final = 256
# One computer asks for one; a house behind one address for a few. With more, a
# stranger drives out only his own.
MOST_NONCES_EACH: Final = 16

# A link is pasted, never typed: five wrong proofs are no accident.
TRIES_EACH: Final = 5
MOST_TOKENS: Final = 1024

# Some members of one house with old links, and yet nothing like a search.
TRIES_A_MINUTE: Final = 20
MINUTE: Final = Seconds(60.0)
MOST_ORIGINS: Final = 1024

# Whoever has one address of an IPv6 network has all of them (RFC 4291 section 2.5.1).
_IPV6_NETWORK_BITS: Final = 64


class Nonces:
    """Numbers used once that this host gave out; the clients' proofs carry them."""

    def __init__(self) -> None:
        self._issued: dict[bytes, tuple[str, Seconds]] = {}  # the oldest first

    def __len__(self) -> int:
        """How many are still good."""
        return len(self._issued)

    def issue(self, made: bytes, address: str, now: Seconds) -> bytes:
        """Remember a nonce and return it; where there are too many, the oldest goes.

        Args:
            made: 16 fresh random bytes.
            address: Who asks: an IP address without port.
            now: This host's monotonic clock.
        """
        self._forget(now)
        origin = origin_of(address)
        own = [nonce for nonce, (whose, _) in self._issued.items() if whose == origin]
        if len(own) >= MOST_NONCES_EACH:
            del self._issued[own[0]]
        elif len(self._issued) >= MOST_NONCES:
            del self._issued[next(iter(self._issued))]
        self._issued[made] = origin, now
        return made

    def take(self, nonce: bytes, now: Seconds) -> bool:
        """Tell whether this nonce was issued lately and not taken yet; take it."""
        self._forget(now)
        return self._issued.pop(nonce, None) is not None

    def _forget(self, now: Seconds) -> None:
        old = [n for n, (_, at) in self._issued.items() if now - at >= NONCE_LIVES]
        for nonce in old:
            del self._issued[nonce]


class Tries:
    """Wrong proofs, counted for each token and for each address they came from."""

    def __init__(self) -> None:
        self._of_token: dict[TokenId, int] = {}
        self._from: dict[str, tuple[Seconds, ...]] = {}

    def __len__(self) -> int:
        """How many tokens and addresses are remembered."""
        return len(self._of_token) + len(self._from)

    def require_room(self, token: TokenId | None, address: str, now: Seconds) -> None:
        """Do nothing if a proof may be looked at now.

        Args:
            token: Whose secret is to be proven; None for a studio's.
            address: Who asks: an IP address without port.
            now: This host's monotonic clock.

        Raises:
            Unavailable: Too many wrong proofs came from there within a minute.
            Refused: The token was tried too often.
        """
        if len(self._lately(origin_of(address), now)) >= TRIES_A_MINUTE:
            raise Unavailable(
                "Too many wrong tries came from your network.",
                "Wait a minute, then try again with a new link.",
            )
        if token is not None and self._of_token.get(token, 0) >= TRIES_EACH:
            raise Refused(
                "This invitation was tried too often and is burnt.",
                "Ask for a new one with `sessiond invite`.",
            )

    def wrong(self, token: TokenId | None, address: str, now: Seconds) -> None:
        """Note a wrong proof; arguments as for `require_room`."""
        if token is not None:
            count = self._of_token.pop(token, 0) + 1
            if len(self._of_token) >= MOST_TOKENS:
                # Invented ids are tried once: what is burnt stays so the longest.
                del self._of_token[min(self._of_token, key=self._of_token.__getitem__)]
            self._of_token[token] = count
        origin = origin_of(address)
        lately = (*self._lately(origin, now), now)[-TRIES_A_MINUTE:]
        self._from.pop(origin, None)
        if len(self._from) >= MOST_ORIGINS:
            del self._from[next(iter(self._from))]
        self._from[origin] = lately

    def _lately(self, origin: str, now: Seconds) -> tuple[Seconds, ...]:
        return tuple(at for at in self._from.get(origin, ()) if now - at < MINUTE)


def origin_of(address: str) -> str:
    """Return whose an IP address is: itself, or its IPv6 network of 64 bits.

    What is no IP address stands for itself, cut to what a name may be.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), _IPV6_NETWORK_BITS), strict=False))
