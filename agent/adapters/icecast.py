"""The door to a station: what Icecast's status and admin pages say.

Sources and listeners are connections of their own (`agent.source`, `mount_listener`);
this door only asks, and never opens a source slot. What it makes of Icecast's words is
in `icecast_admin`.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

from agent.adapters.icecast_admin import AdminOutcome, parse_answer, parse_stats
from sessiond.core.onair import MountSeen
from sessiond.core.stamped import Station
from sessiond.errors import Broken, Refused, SessiondError, Unavailable
from sessiond.units import Kbps, MountPath, Seconds

# A station that needs longer for a page of 2 KiB is as good as away; the election
# asks every 0.25 s and must know before a listener's burst is used up.
WITHIN: Final = Seconds(1.0)

# Icecast's whole answer to whatever is asked beyond its limit of clients, with a 403.
_FULL: Final = b"Icecast connection limit reached"


class IcecastDoor:
    """Asks any station; use it as ``async with``."""

    def __init__(self) -> None:
        # The station is on this network: a proxy in the environment is not for it.
        self._client = httpx.AsyncClient(
            timeout=WITHIN, trust_env=False, follow_redirects=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop all connections."""
        await self._client.aclose()

    async def mounts(self, station: Station) -> tuple[MountSeen, ...]:
        """Return the mounts that have a source, hidden ones excepted, by path.

        Raises:
            Unavailable: Nobody answers there, or not as Icecast does.
        """
        answer = await self._get(station, "/status-json.xsl")
        if answer.status_code != httpx.codes.OK or b'"icestats"' not in answer.content:
            raise _no_icecast(station, answer)
        return parse_status(answer.content.decode("utf-8", "replace"))

    async def check_source_password(
        self, station: Station, path: MountPath, *, user: str, password: str
    ) -> None:
        """Return if these credentials may feed the mount; disturbs no source.

        Icecast checks them before it looks whether there is a source, and a metadata
        call without a mode changes nothing.

        Raises:
            Broken: Icecast denies them.
            Unavailable: Nobody answers there, or not as Icecast does.
        """
        answer = await self._get(
            station, "/admin/metadata", {"mount": path}, auth=(user, password)
        )
        match answer.status_code:
            case httpx.codes.UNAUTHORIZED:
                raise Broken(
                    f"Icecast at {_address(station)} denies {path} to the user "
                    f"{user}: wrong user name or password.",
                    "Compare the source password with Icecast's configuration.",
                )
            case httpx.codes.OK | httpx.codes.BAD_REQUEST:
                return
            case _:
                raise _no_icecast(station, answer)

    async def check_admin_password(
        self, station: Station, *, user: str, password: str
    ) -> None:
        """Return if these are the credentials of Icecast's administrator.

        Raises:
            Broken: Icecast denies them.
            Unavailable: Nobody answers there, or not as Icecast does.
        """
        answer = await self._get(station, "/admin/listmounts", auth=(user, password))
        match answer.status_code:
            case httpx.codes.UNAUTHORIZED:
                raise Broken(
                    f"Icecast at {_address(station)} does not know the administrator "
                    f"{user} with this password.",
                    "Compare the admin password with Icecast's configuration.",
                )
            case httpx.codes.OK:
                return
            case _:
                raise _no_icecast(station, answer)

    async def mount(
        self, station: Station, path: MountPath, *, user: str, password: str
    ) -> MountSeen | None:
        """Return a mount, also a hidden one, or None when it has no source.

        Args:
            station: Where.
            path: The mount.
            user: Of the mount's source.
            password: Of the mount's source.

        Raises:
            Broken: Icecast does not tell the source's user.
            Unavailable: Nobody answers there within 1 s, or not as Icecast does.
        """
        return await self._seen(station, path, (user, password), wanted="stats")

    async def kill_source(
        self,
        station: Station,
        path: MountPath,
        *,
        user: str,
        password: str,
        stream_start: str,
    ) -> None:
        """End this very source; a mount that is free already is fine.

        What source the mount has is read again first. Its listeners go to the mount's
        fallback at once. Icecast takes another source on it some 0.1 s later: a PUT
        that still meets the old one succeeds at its next try.

        Args:
            station: Where.
            path: The mount; may be hidden.
            user: Of the mount's source.
            password: Of the mount's source.
            stream_start: Of the source that was judged, as Icecast has it: to the
                second, so two sources of the same second are one.

        Raises:
            Refused: Another source has the mount now.
            Broken: Icecast does not let the source's user end it.
            Unavailable: Nobody answers there within 1 s, or Icecast did not do it.
        """
        auth = (user, password)
        seen = await self._seen(station, path, auth, wanted="killsource")
        if seen is None:
            return
        if seen.stream_start != stream_start:
            raise Refused(f"Another source has {path} now.")
        outcome, error = await self._asked(station, "killsource", {"mount": path}, auth)
        if outcome is not AdminOutcome.NO_SOURCE and error is not None:
            raise error

    async def move_listeners(
        self,
        station: Station,
        path: MountPath,
        to: MountPath,
        *,
        user: str,
        password: str,
    ) -> None:
        """Move all listeners of a mount to another that has a source.

        A source counts from Icecast's answer to its PUT on, also before it has sent a
        byte. Nobody notices when there are no listeners to move.

        Args:
            station: Where.
            path: From where; may be hidden.
            to: Where to; may be hidden. A mount without a source stands for its
                fallback: Icecast then moves the listeners there, unless that is
                `path` itself.
            user: Of the source of `path`; nobody asks for those of `to`.
            password: Of the source of `path`.

        Raises:
            Broken: Icecast does not let the source's user move listeners.
            Unavailable: One of the two has no source, or nobody answers there
                within 1 s.
        """
        params = {"mount": path, "destination": to}
        _, error = await self._asked(station, "moveclients", params, (user, password))
        if error is not None:
            raise error

    async def set_fallback(
        self,
        station: Station,
        path: MountPath,
        fallback: MountPath,
        *,
        user: str,
        password: str,
    ) -> None:
        """Say where a mount's listeners go when its source ends; ends with the source.

        Whether listeners come back by themselves (override) is the configuration's
        word, which this call leaves as it is; without one they stay until moved.

        Args:
            station: Where.
            path: A mount that has a source; may be hidden.
            fallback: Need not have a source yet.
            user: Of the source of `path`.
            password: Of the source of `path`.

        Raises:
            Broken: Icecast does not let the source's user set fallbacks.
            Unavailable: The mount has no source, or nobody answers there within 1 s.
        """
        params = {"mount": path, "fallback": fallback}
        _, error = await self._asked(station, "fallbacks", params, (user, password))
        if error is not None:
            raise error

    async def _seen(
        self, station: Station, path: MountPath, auth: tuple[str, str], *, wanted: str
    ) -> MountSeen | None:
        answer = await self._get(station, "/admin/stats", {"mount": path}, auth=auth)
        found = parse_stats(answer.text, path)
        if answer.status_code == httpx.codes.OK and found is not None:
            return _mount(found)
        outcome, error = _judged(station, wanted, path, auth[0], answer)
        if outcome is AdminOutcome.NO_SOURCE:
            return None
        raise error or _no_icecast(station, answer)

    async def _asked(
        self,
        station: Station,
        call: str,
        params: Mapping[str, str],
        auth: tuple[str, str],
    ) -> tuple[AdminOutcome, SessiondError | None]:
        answer = await self._get(station, f"/admin/{call}", params, auth=auth)
        return _judged(station, call, params["mount"], auth[0], answer)

    async def _get(
        self,
        station: Station,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        auth: tuple[str, str] | None = None,
    ) -> httpx.Response:
        scheme = "https" if station.tls else "http"
        try:
            async with asyncio.timeout(WITHIN):
                answer = await self._client.get(
                    f"{scheme}://{_address(station)}{path}", params=params, auth=auth
                )
        except (TimeoutError, httpx.TimeoutException) as e:
            raise Unavailable(
                f"Icecast at {_address(station)} did not answer within {WITHIN:g} s."
            ) from e
        except httpx.HTTPError as e:
            raise Unavailable(
                f"Icecast at {_address(station)} can't be reached: "
                f"{str(e) or 'it closed the connection'}.",
                "Does Icecast run there, and is its port open?",
            ) from e
        except httpx.InvalidURL as e:
            raise Unavailable(f"{_address(station)} is no address: {e}.") from e
        if answer.status_code == httpx.codes.FORBIDDEN and _FULL in answer.content:
            raise Unavailable(
                f"Icecast at {_address(station)} has no room for another connection.",
                "Raise the limit of clients in its configuration.",
            )
        return answer


def _address(station: Station) -> str:
    """Return ``HOST:PORT``; a bare IPv6 address gets its brackets."""
    host = station.address
    return f"[{host}]:{station.port}" if ":" in host else f"{host}:{station.port}"


def _no_icecast(station: Station, answer: httpx.Response) -> Unavailable:
    return Unavailable(
        f"What answers at {_address(station)} is no Icecast "
        f"(HTTP {answer.status_code}).",
        "Check host and port of the [icecast] table.",
    )


# --- admin calls ----------------------------------------------------------------

_DOES: Final = {
    "killsource": "end the source of",
    "moveclients": "move the listeners of",
    "fallbacks": "set the fallback of",
    "stats": "see",
}


def _judged(
    station: Station, call: str, path: str, user: str, answer: httpx.Response
) -> tuple[AdminOutcome, SessiondError | None]:
    """Return what came of an admin call, and the error it is unless it was done."""
    made = parse_answer(answer.status_code, answer.text)
    where = f"Icecast at {_address(station)}"
    match made.outcome:
        case AdminOutcome.DONE:
            return made.outcome, None
        case AdminOutcome.DENIED:
            return made.outcome, Broken(
                f"{where} does not let the source's user {user} {_DOES[call]} {path} "
                f"(HTTP {answer.status_code}).",
                "Allow sources the admin calls on their own mounts, and compare the "
                "source password with Icecast's configuration.",
            )
        case AdminOutcome.NO_SOURCE:
            error = Unavailable(f"{path} has no source at {_address(station)}.")
            return made.outcome, error
        case AdminOutcome.NO_DESTINATION:
            return made.outcome, Unavailable(
                f"{where} can't move the listeners of {path}: the mount they should "
                "go to has no source."
            )
        case AdminOutcome.REFUSED:
            return made.outcome, Unavailable(
                f"{where} did not {_DOES[call]} {path}: {made.words}"
            )


# --- the status page ------------------------------------------------------------


def parse_status(text: str) -> tuple[MountSeen, ...]:
    """Return the mounts in a ``status-json.xsl``, by path.

    Its ``source`` is absent, one object or an array. A name or title such as ``007``
    breaks the JSON (Icecast writes it as a number): then each source's fields are
    picked out one by one, and only what is broken is missing.
    """
    try:
        document = json.loads(text)
    except ValueError:
        sources: Iterator[Mapping[str, object]] = _picked(text)
    else:
        sources = _sources(document)
    seen = (_mount(source) for source in sources)
    return tuple(sorted((m for m in seen if m is not None), key=lambda m: m.path))


def _sources(document: object) -> Iterator[Mapping[str, object]]:
    stats = document.get("icestats") if isinstance(document, dict) else None
    found = stats.get("source") if isinstance(stats, dict) else None
    for source in found if isinstance(found, list) else [found]:
        if isinstance(source, dict):
            yield source


# Every source object ends with this member (Icecast 2.4's xml2json).
_SOURCE_END: Final = '"dummy":null'
_MEMBER: Final = re.compile(
    r'"(?P<name>[a-z0-9_-]+)":(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>[^",{}\[\]]*))'
)


def _picked(text: str) -> Iterator[Mapping[str, object]]:
    for part in text.split(_SOURCE_END):
        yield {
            member["name"]: _unquoted(member["text"] or member["number"])
            for member in _MEMBER.finditer(part)
        }


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return text.strip('"')


def _mount(source: Mapping[str, object]) -> MountSeen | None:
    path = urlsplit(str(source.get("listenurl", ""))).path
    start = str(source.get("stream_start_iso8601", ""))
    # A mount without a source is listed too while its fallback has one.
    if not (path and start):
        return None
    bitrate = _number(source.get("bitrate"))
    return MountSeen(
        path=MountPath(path),
        listeners=_number(source.get("listeners")),
        description=str(source.get("server_description", "")),
        stream_start=start,
        bitrate_kbps=Kbps(bitrate) if bitrate else None,
        title=_title(source),
    )


def _number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        return 0


def _title(source: Mapping[str, object]) -> str:
    """Return what Icecast's own page shows: it reads a Vorbis stream's comments."""
    parts = (str(source.get(key, "")) for key in ("artist", "title"))
    return " - ".join(part for part in parts if part)
