"""What a station goes on with outside sessions, and what it writes down for it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.filler import FILES, write_filler
from agent.host import Host
from agent.keeping import STATION, keep, load_kept
from agent.station import prepare_station, remove_station
from sessiond.core.configfile import AgentConfig
from sessiond.core.plan import plan_host
from sessiond.core.stamped import Secrets, Station
from sessiond.core.stationfile import StationConfig
from sessiond.core.stationorder import KeptStation, StationOrder
from sessiond.errors import Refused
from tests.agent.band import band
from tests.core.examples import ALICE, BOB, document, leadership, session, setup
from tests.support.fakes import FakeClock, FakeStore
from tests.support.identities import identity_of

MUSIC = StationConfig(music="/srv/music", port=8010)
HERE = Station(address="10.0.0.1", port=8010, host=ALICE)
DOC = document(session((ALICE, BOB), icecast=None), station=HERE)
PASSWORDS = Secrets(source="hack", admin="boss", join="secret", station=HERE)


def config(station: StationConfig | None = MUSIC) -> AgentConfig:
    return AgentConfig(
        name=ALICE, state_dir="/state", advertise="10.0.0.1", station=station
    )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    own = config()
    place = tmp_path / "station"
    return Host(
        config=own,
        identity=identity_of(ALICE),
        setup=replace(setup(ALICE), keeps=own.station, station_folder=str(place)),
        clock=FakeClock(),
        store=FakeStore(tmp_path),
        secrets=PASSWORDS,
    )


def plan(host: Host) -> None:
    host.plan = plan_host(host.view())


def in_session(host: Host) -> None:
    lead = leadership(DOC)
    host.leadership = lambda: lead
    plan(host)


def after_it(host: Host) -> None:
    lead = leadership(replace(DOC, stopped=True))
    host.leadership = lambda: lead
    plan(host)


def test_the_last_session_is_kept_without_what_invites_to_it(host: Host) -> None:
    in_session(host)
    keep(host)
    assert host.kept is not None
    assert host.kept.order == StationOrder(spec=DOC.spec, station=HERE)
    assert host.kept.secrets == replace(PASSWORDS, join="")
    assert load_kept(host.config, host.store) == host.kept


def test_it_is_written_once(host: Host) -> None:
    in_session(host)
    keep(host)
    assert isinstance(host.store, FakeStore)
    host.store.full = True
    keep(host)
    assert host.store_error == ""


def test_a_full_disk_is_told_and_the_station_goes_on(host: Host) -> None:
    assert isinstance(host.store, FakeStore)
    host.store.full = True
    in_session(host)
    keep(host)
    assert host.store_error
    after_it(host)
    assert host.plan.radio


def test_passwords_of_another_icecast_are_not_kept(host: Host) -> None:
    host.secrets = replace(PASSWORDS, station=replace(HERE, port=8000))
    in_session(host)
    keep(host)
    assert host.kept is None


def test_what_is_kept_is_not_written_for_itself(host: Host) -> None:
    in_session(host)
    keep(host)
    after_it(host)
    host.secrets = Secrets()
    before = host.kept
    keep(host)
    assert host.kept is before


def test_a_host_without_a_station_forgets_it(host: Host) -> None:
    in_session(host)
    keep(host)
    assert load_kept(config(None), host.store) is None
    assert host.store.load(STATION) is None


def test_what_a_later_version_kept_is_no_reason_not_to_start(host: Host) -> None:
    host.store.save_secret(STATION, b"\xff")
    assert load_kept(host.config, host.store) is None


Written = Callable[..., StationConfig]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(*icecast: str) -> StationConfig:
        (tmp_path / "word").write_text("given\n")
        file = tmp_path / "jam.toml"
        lines = ('name = "jam"', 'hosts = ["alice"]', *icecast)
        file.write_text("\n".join((*lines, "[[mount]]", 'path = "/mix.ogg"')))
        return replace(MUSIC, session=str(file))

    return write


def given(host: Host, station: StationConfig) -> KeptStation:
    kept = load_kept(config(station), host.store)
    assert kept is not None
    return kept


def test_a_session_file_says_what_to_serve(host: Host, written: Written) -> None:
    kept = given(host, written())
    assert [mount.path for mount in kept.order.spec.mounts] == ["/mix.ogg"]
    assert kept.order.station == HERE
    assert kept.secrets.source
    assert kept.secrets.admin


def test_a_session_file_says_where_and_with_which_passwords(
    host: Host, written: Written
) -> None:
    named = 'host = "radio.local"\nport = 9000\nsource_password_file = "word"'
    kept = given(host, written("[icecast]", named))
    assert (kept.order.station.address, kept.order.station.port) == (
        "radio.local",
        9000,
    )
    assert kept.secrets.source == "given"


def test_a_station_has_no_certificate(host: Host, written: Written) -> None:
    named = 'host = "radio.local"\ntls = true\nsource_password_file = "word"'
    with pytest.raises(Refused, match="tls"):
        given(host, written("[icecast]", named))


def test_a_session_files_mounts_outlast_another_session(
    host: Host, written: Written
) -> None:
    host.config = config(written())
    host.kept = given(host, written())
    before = host.kept
    in_session(host)
    keep(host)
    assert host.kept is before
    assert host.store.load(STATION) is None


# A session on a station


async def test_a_stations_session_is_where_its_icecast_listens_already() -> None:
    async with band() as opened:
        alice = await opened.add("alice")
        station = replace(MUSIC, port=8123)
        alice.host.config = replace(alice.host.config, station=station)
        spec = session((ALICE,), icecast=None)
        there = (await alice.service.create(spec, Secrets())).station
        assert there is not None
        assert there.port == 8123
        await alice.service.stop(spec.name)

        elsewhere = replace(there, port=8124)
        order = StationOrder(spec=spec, station=elsewhere)
        alice.host.kept = KeptStation(order=order)
        again = (await alice.service.create(spec, Secrets())).station
        assert again == elsewhere


# The files


def modes(folder: Path) -> dict[str, int]:
    return {f.name: f.stat().st_mode & 0o777 for f in folder.iterdir() if f.is_file()}


def test_what_holds_a_password_is_its_readers_alone(host: Host) -> None:
    in_session(host)
    assert prepare_station(host)
    folder = Path(host.setup.station_folder)
    assert modes(folder) == dict.fromkeys(("icecast.xml", *FILES), 0o600)
    assert (folder / "passwords").read_text() == "hack\n"
    assert "hack" not in (folder / "radio.liq").read_text()


def test_nothing_changes_when_the_session_ends(host: Host) -> None:
    in_session(host)
    prepare_station(host)
    after_it(host)
    host.secrets = Secrets()
    assert not prepare_station(host)
    assert (Path(host.setup.station_folder) / "passwords").read_text() == "hack\n"


def test_new_passwords_reach_icecast_and_the_filler(host: Host) -> None:
    in_session(host)
    prepare_station(host)
    host.secrets = replace(PASSWORDS, source="other")
    plan(host)
    assert prepare_station(host)
    assert (Path(host.setup.station_folder) / "passwords").read_text() == "other\n"


def test_a_station_that_is_kept_keeps_its_files_until_its_agent_ends(
    host: Host,
) -> None:
    in_session(host)
    prepare_station(host)
    remove_station(host)
    folder = Path(host.setup.station_folder)
    assert (folder / "icecast.xml").exists()
    host.leaving = True
    remove_station(host)
    assert not modes(folder)


def test_without_a_filler_there_are_none_of_its_files(host: Host) -> None:
    host.setup = replace(host.setup, keeps=None)
    in_session(host)
    assert host.plan.station is not None
    write_filler(host, host.plan.station, PASSWORDS)
    assert not Path(host.setup.station_folder).exists()
