"""Who asks from another computer: this person's identity, and whom it has met.

One folder holds ``identity.key``, ``identity.crt`` and, for each session joined,
``sessions/NAME.json`` with its members as they were told last. Where a member is may
change, and is only a hint; that it is this member, its certificate shows.
"""

import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from sessiond.cli.firewall import addresses_of
from sessiond.core.namerules import split_address
from sessiond.core.roles import Role
from sessiond.core.stamped import Member, StampedSpec
from sessiond.errors import Broken, Refused
from sessiond.places import default_identity_dir
from sessiond.units import Address, Certificate, HostId, HostName, SessionName
from sessiond.wire.identity import Identity, id_of, make_identity, pem_of, read_identity

_KEY: Final = "identity.key"
_CERTIFICATE: Final = "identity.crt"
_SESSIONS: Final = "sessions"

# Hundreds of members take some 300 KiB; no file of ours is longer.
_LONGEST: Final = 1024 * 1024

# What X.520 allows for a common name (RFC 5280, appendix A).
_LONGEST_LABEL: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A member of a session, as this person has been told of it."""

    name: HostName
    id: HostId
    address: Address
    certificate: Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class MetSession:
    """A session that this person has joined, and as what."""

    name: SessionName
    role: Role
    members: tuple[Met, ...]


class Belongings:
    """This person's folder; nothing is in it before the first join.

    Every method raises Broken when the folder can't be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return those of whoever has this environment."""
        return cls(Path(default_identity_dir(environment)))

    # --- the identity -----------------------------------------------------------

    def identity(self) -> Identity | None:
        """Return this person's identity; None before the first join.

        Raises:
            Refused: Others may read the key.
            Broken: Key or certificate is damaged.
        """
        with _told(self._folder):
            key = _read(self._folder / _KEY)
            if key is None:
                return None
            _require_private(self._folder / _KEY)
            return read_identity(key, _read(self._folder / _CERTIFICATE) or "")

    def identity_for(self, label: str) -> Identity:
        """Return this person's identity; made, and named so, if there is none."""
        with _told(self._folder), self._locked():
            found = self.identity()
            if found is not None:
                return found
            made = make_identity(label[:_LONGEST_LABEL])
            # The key comes last: only with it is there an identity.
            _write(self._folder / _CERTIFICATE, made.certificate)
            _write(self._folder / _KEY, made.key)
            return made

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Make the folder, and keep other commands of this person out meanwhile."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    # --- the sessions -----------------------------------------------------------

    def session(self, name: SessionName) -> MetSession | None:
        """Return what is known of a session; None if it was never joined."""
        path = self._folder / _SESSIONS / f"{name}.json"
        with _told(self._folder):
            content = _read(path)
        return None if content is None else _session(content, path)

    def remember(self, stamped: StampedSpec, role: Role) -> MetSession:
        """Keep a session's members as its document has them, and return them."""
        met = (_met(member) for member in stamped.members)
        return self.keep(
            MetSession(
                name=stamped.spec.name,
                role=role,
                members=tuple(one for one in met if one is not None),
            )
        )

    def keep(self, session: MetSession) -> MetSession:
        """Write a session down, in the place of what was known of it."""
        document = {
            "session": session.name,
            "role": session.role,
            "members": [
                {
                    "name": met.name,
                    "id": met.id,
                    "address": met.address,
                    "certificate": met.certificate,
                }
                for met in session.members
            ],
        }
        text = json.dumps(document, indent=2) + "\n"
        with _told(self._folder), self._locked():
            folder = self._folder / _SESSIONS
            folder.mkdir(mode=0o700, exist_ok=True)
            _write(folder / f"{session.name}.json", text)
        return session

    def certificate_at(self, where: str) -> Certificate | None:
        """Return whose certificate must be shown at an address; None: nobody's.

        Args:
            where: ``HOST:PORT``; a name stands for the addresses it has.
        """
        met = [met for session in self._sessions() for met in session.members]
        exact = (one.certificate for one in met if one.address == where)
        same = (one.certificate for one in met if _is_same(one.address, where))
        return next(exact, None) or next(same, None)

    def _sessions(self) -> Iterator[MetSession]:
        """Yield what is known of each session, the newest first."""
        with _told(self._folder):
            files = [
                (path.stat().st_mtime, path)
                for path in (self._folder / _SESSIONS).glob("*.json")
            ]
            for _, path in sorted(files, reverse=True):
                yield _session(_read(path) or "", path)


def _met(member: Member) -> Met | None:
    """Return a member that can be called and known again; None for any other."""
    if member.id is None or member.address is None or member.certificate is None:
        return None
    with suppress(Refused):
        if id_of(member.certificate) == member.id:
            return Met(
                name=member.name,
                id=member.id,
                address=member.address,
                certificate=pem_of(member.certificate),
            )
    return None


def _is_same(address: str, where: str) -> bool:
    """Tell whether two addresses lead to one port of one computer."""
    one, other = split_address(address), split_address(where)
    if one is None or other is None or one[1] != other[1]:
        return False
    return not set(addresses_of(one[0])).isdisjoint(addresses_of(other[0]))


# --- files ------------------------------------------------------------------------


def _session(content: str, path: Path) -> MetSession:
    try:
        # What this module wrote, or a KeyError and the like.
        document: Any = json.loads(content)
        return MetSession(
            name=SessionName(document["session"]),
            role=Role(document["role"]),
            members=tuple(
                Met(
                    name=HostName(member["name"]),
                    id=HostId(member["id"]),
                    address=Address(member["address"]),
                    certificate=Certificate(member["certificate"]),
                )
                for member in document["members"]
            ),
        )
    except (ValueError, KeyError, TypeError) as e:
        raise Broken(
            f"The file {path} is damaged.",
            "Remove it, and join that session once more with a new link.",
        ) from e


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn what the system says about a folder into an error of ours."""
    try:
        yield
    except OSError as e:
        raise Broken(
            f"Your identity in {folder} can't be used: {e.strerror}.",
            "Look at its owner and permissions, or name another folder in"
            " $SESSIOND_IDENTITY.",
        ) from e


def _require_private(key: Path) -> None:
    if stat.S_IMODE(key.stat().st_mode) & 0o077:
        raise Refused(
            f"Others may read your key {key}, so it proves nothing.",
            f"Run `chmod 600 {key}` if nobody has; else remove it and join anew.",
        )


def _read(path: Path) -> str | None:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            return file.read(_LONGEST)
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    """Put a file that only its owner may read in its place, whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
