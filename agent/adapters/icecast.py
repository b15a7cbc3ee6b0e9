"""The door to a station: what Icecast's status and admin pages say.

Sources and listeners are connections of their own (`agent.source`, `mount_listener`);
this door only asks, and never opens a source slot.
"""

import json
import re
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

from sessiond.core.onair import MountSeen
from sessiond.core.stamped import Station
from sessiond.errors import Broken, Unavailable
from sessiond.units import Kbps, MountPath, Seconds

# A station that needs longer for a page of 2 KiB is as good as away; the election
# asks every 0.25 s and must know before a listener's burst is used up.
WITHIN: Final = Seconds(1.0)

# 64 sources with long descriptions are 60 KiB; more is no Icecast.
_STATUS_BYTES: Final = 4 * 1024 * 1024


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
            return await self._client.get(
                f"{scheme}://{_address(station)}{path}", params=params, auth=auth
            )
        except httpx.TimeoutException as e:
            raise Unavailable(
                f"Icecast at {_address(station)} did not answer within {WITHIN:g} s."
            ) from e
        except httpx.HTTPError as e:
            raise Unavailable(
                f"Icecast at {_address(station)} can't be reached: {e}.",
                "Does Icecast run there, and is its port open?",
            ) from e
        except httpx.InvalidURL as e:
            raise Unavailable(f"{_address(station)} is no address: {e}.") from e


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
    if not path:
        return None
    bitrate = _number(source.get("bitrate"))
    return MountSeen(
        path=MountPath(path),
        listeners=_number(source.get("listeners")),
        description=str(source.get("server_description", "")),
        stream_start=str(source.get("stream_start_iso8601", "")),
        bitrate_kbps=Kbps(bitrate) if bitrate else None,
        title=str(source.get("title", "")),
    )


def _number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        return 0
