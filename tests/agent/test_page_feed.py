"""What an own station shows to browsers, and when it is written."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.host import Host
from agent.page_feed import PageFeed
from agent.station import prepare_station, remove_station, web_folder
from sessiond.core.configfile import AgentConfig
from sessiond.core.plan import plan_host
from sessiond.core.stamped import Secrets, Station
from sessiond.core.status import MountState, MountStatus, Phase, SessionStatus
from sessiond.errors import Refused
from tests.core.examples import ALICE, BOB, document, leadership, session, setup
from tests.support.fakes import FakeClock, FakeStore
from tests.support.identities import identity_of

HERE = Station(address="10.0.0.1", port=8010, host=ALICE)
DOC = document(session((ALICE, BOB), icecast=None), station=HERE)
PATHS = [mount.path for mount in DOC.spec.mounts]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(
        config=AgentConfig(name=ALICE, state_dir="/state", advertise="10.0.0.1"),
        identity=identity_of(ALICE),
        setup=replace(setup(ALICE), station_folder=str(tmp_path / "station")),
        clock=FakeClock(),
        store=FakeStore(tmp_path),
        secrets=Secrets(source="hack", station=HERE),
    )
    lead = leadership(DOC)
    made.leadership = lambda: lead
    made.plan = plan_host(made.view())
    return made


def feed(host: Host, mounts: tuple[MountStatus, ...] | None) -> PageFeed:
    async def status() -> SessionStatus:
        if mounts is None:
            raise Refused("There is no session.")
        return SessionStatus(
            session=DOC.spec.name, stamp=DOC.stamp, phase=Phase.ON_AIR, mounts=mounts
        )

    return PageFeed(host=host, status=status)


def live(host: Host) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((web_folder(host) / "live.json").read_text())
    return document


def first(title: str) -> MountStatus:
    mount = DOC.spec.mounts[0]
    return MountStatus(
        path=mount.path,
        url="",
        state=MountState.LIVE,
        host=ALICE,
        format=mount.codec,
        bitrate_kbps=mount.bitrate_kbps,
        listeners=2,
        title=title,
    )


def test_the_page_comes_with_the_stations_configuration(host: Host) -> None:
    assert prepare_station(host)
    web = web_folder(host)
    told = json.loads((web / "mounts.json").read_text())
    assert [mount["path"] for mount in told["mounts"]] == PATHS
    assert told["live"]
    assert (web / "index.html").is_file()
    # Icecast's own are beside it: what asks for its status goes on.
    assert (web / "status-json.xsl").read_text().startswith("<xsl:stylesheet")
    assert not (web / "status-json.xsl").stat().st_mode & 0o022
    xml = (web.parent / "icecast.xml").read_text()
    assert f"<webroot>{web}</webroot>" in xml
    assert "hack" not in "".join(
        file.read_text(errors="ignore") for file in web.rglob("*") if file.is_file()
    )


def test_a_page_that_says_the_same_is_left_alone(host: Host) -> None:
    prepare_station(host)
    index = web_folder(host) / "index.html"
    index.write_text("touched")
    assert not prepare_station(host)
    assert index.read_text() == "touched"


def test_the_page_goes_with_its_station(host: Host) -> None:
    prepare_station(host)
    remove_station(host)
    assert not web_folder(host).exists()


async def test_it_tells_what_the_session_knows(host: Host) -> None:
    prepare_station(host)
    writing = feed(host, (first("A – B"),))
    await writing.write()
    told = live(host)
    assert told["mounts"][PATHS[0]] == {
        "state": "on-air",
        "listeners": 2,
        "title": "A – B",
    }
    beat = told["beat"]
    await writing.write()
    assert live(host)["beat"] != beat


async def test_outside_a_session_it_goes_on(host: Host) -> None:
    prepare_station(host)
    await feed(host, None).write()
    states = {mount["state"] for mount in live(host)["mounts"].values()}
    assert states == {"off-air"}


async def test_where_nobody_plays_the_filler_does(host: Host) -> None:
    prepare_station(host)
    host.plan = replace(host.plan, radio="output.icecast(…)")
    for mounts in (None, (replace(first(""), state=MountState.DOWN),)):
        await feed(host, mounts).write()
        assert live(host)["mounts"][PATHS[0]]["state"] == "filler"
    await feed(host, (first("A – B"),)).write()
    assert live(host)["mounts"][PATHS[0]]["state"] == "on-air"


async def test_no_page_is_made_where_there_is_no_station(host: Host) -> None:
    await feed(host, ()).write()
    assert not web_folder(host).exists()
    prepare_station(host)
    host.plan = replace(host.plan, station=None)
    await feed(host, ()).write()
    assert not (web_folder(host) / "live.json").exists()


async def test_a_page_that_cant_be_written_ends_nothing(host: Host) -> None:
    prepare_station(host)
    (web_folder(host) / "live.json").mkdir()
    writing = feed(host, ())
    await writing.write()
    await writing.write()
    assert (web_folder(host) / "live.json").is_dir()
