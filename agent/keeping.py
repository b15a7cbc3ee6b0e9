"""What a station with a ``[station]`` table goes on with when no session is on.

That is a session file's mounts, where it was given one, else those of the last session
whose Icecast ran here.
"""

import secrets as random_secrets
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent.doors import Store
from agent.host import Host
from agent.records import note_stored, owe_room
from sessiond.core.configfile import AgentConfig
from sessiond.core.stamped import Secrets, Station
from sessiond.core.stationfile import StationConfig
from sessiond.core.stationorder import KeptStation, StationOrder
from sessiond.errors import Refused, SessiondError
from sessiond.sessionfiles import read_secrets, read_spec, require_passwords
from sessiond.wire.convert import decode, encode

STATION: Final = "station"


def load_kept(config: AgentConfig, store: Store) -> KeptStation | None:
    """Return what this host keeps on the air outside sessions; None for nothing.

    Raises:
        Refused: The session file that it was given is missing or wrong.
        Broken: That file may not be read.
    """
    if config.station is None:
        with suppress(SessiondError):
            store.erase(STATION)
        return None
    if config.station.session:
        return _given(config, config.station)
    return _stored(store)


def keep(host: Host) -> None:
    """Write down the session that runs on this host's Icecast, to go on with it."""
    config, order = host.config.station, host.plan.station
    if config is None or order is None or (host.kept and order is host.kept.order):
        return
    kept = KeptStation(order=order, secrets=replace(host.secrets, join=""))
    where = order.station
    is_ours = host.secrets.is_for(where.address, where.port, tls=where.tls)
    if config.session or kept == host.kept or not is_ours:
        return
    host.kept = kept
    _store(host, kept)


def _store(host: Host, kept: KeptStation) -> None:
    content = encode(kept)
    try:
        host.store.save_secret(STATION, content)
    except SessiondError as e:
        owe_room(host, content, e)
    else:
        note_stored(host, STATION)


def _stored(store: Store) -> KeptStation | None:
    content = store.load(STATION)
    try:
        return None if content is None else decode(KeptStation, content)
    except Refused:
        # Written by a later version; the next session is kept instead.
        return None


def _given(config: AgentConfig, station: StationConfig) -> KeptStation:
    path = Path(station.session)
    file = read_spec(path)
    require_passwords(file)
    if file.spec.icecast is None:
        address, port = config.advertise, station.port
    elif file.spec.icecast.tls:
        raise Refused(
            f"{path} asks for tls, which a station's own Icecast has not.",
            "Put a web server with a certificate before it.",
        )
    else:
        address, port = file.spec.icecast.host, file.spec.icecast.port
    where = Station(address=address, port=port, host=config.name)
    order = StationOrder(spec=file.spec, station=where)
    return KeptStation(order=order, secrets=_completed(read_secrets(file, path)))


def _completed(given: Secrets) -> Secrets:
    """Return the passwords with made ones where the session file names none."""
    return replace(
        given,
        source=given.source or _password(),
        admin=given.admin or _password(),
        relay=given.relay or _password(),
    )


def _password() -> str:
    # 128 bits, in letters that need no escaping anywhere.
    return random_secrets.token_urlsafe(16)
