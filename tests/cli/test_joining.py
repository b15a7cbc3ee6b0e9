"""A person's way in: by a link, as a process, over the wire, to a host that checks."""

import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sessiond.core.joining import JoinLink
from sessiond.core.roles import Role
from sessiond.core.status import HostSighting
from sessiond.errors import Refused, Unavailable
from sessiond.units import Address, Certificate, HostName
from sessiond.wire.identity import id_of
from sessiond.wire.server import open_server
from tests.cli.doorway import Doorway, open_doorway
from tests.cli.fakeagent import FakeAgent
from tests.cli.test_real_line import Ended, sessiond
from tests.support.identities import ListedTrust, identity_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this person's identity is going to be."""
    place = tmp_path / "of mine"
    monkeypatch.setenv("SESSIOND_IDENTITY", str(place))
    return place


@pytest.fixture
async def door(agent: FakeAgent) -> AsyncIterator[Doorway]:
    async with open_doorway(agent) as opened:
        yield opened


async def join(link: object, *more: str) -> Ended:
    return await sessiond("unix:/nowhere/agent.sock", "join", str(link), *more)


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


async def test_a_viewer_joins_and_looks(
    agent: FakeAgent, door: Doorway, folder: Path
) -> None:
    ended = await join(door.link(Role.VIEWER), "--as", "Ann")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "Ann is a viewer of friday-jam now, at 3.2.",
        f"Look: sessiond --agent {door.address} status friday-jam",
    ]
    (ann,) = door.document.people
    assert (ann.label, ann.role) == ("Ann", Role.VIEWER)
    ended = await sessiond(door.address, "status", "friday-jam")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("friday-jam  degraded")
    # A name stands for its address.
    named = door.address.replace("127.0.0.1", "localhost")
    assert (await sessiond(named, "status", "friday-jam")).code == 0
    ended = await sessiond(door.address, "stop", "friday-jam")
    assert ended.code == 2
    assert "not for the role viewer" in ended.err
    assert [call[0] for call in agent.asked] == ["status", "status"]


async def test_an_operator_joins_and_operates(
    agent: FakeAgent, door: Doorway, folder: Path
) -> None:
    ended = await join(door.link(Role.OPERATOR))
    assert (ended.code, ended.err) == (0, "")
    (person,) = door.document.people
    assert "@" in person.label
    assert (await sessiond(door.address, "stop", "friday-jam")).code == 0
    assert agent.asked == [("stop", "friday-jam")]


async def test_what_is_kept_is_its_owners_alone(door: Doorway, folder: Path) -> None:
    assert (await join(door.link(Role.VIEWER))).code == 0
    kept = files_in(folder)
    assert {str(path.relative_to(folder)) for path in kept} == {
        "identity.key",
        "identity.crt",
        "sessions/friday-jam.json",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    for place in (folder, folder / "sessions"):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    known = json.loads((folder / "sessions/friday-jam.json").read_text())
    alice = identity_of("alice")
    # The other members have shown no certificate yet.
    assert known == {
        "session": "friday-jam",
        "role": "viewer",
        "members": [
            {
                "name": "alice",
                "id": alice.id,
                "address": door.address,
                "certificate": alice.certificate,
            }
        ],
    }


async def test_a_second_join_is_by_the_same_person(door: Doorway, folder: Path) -> None:
    assert (await join(door.link(Role.VIEWER), "--as", "Ann")).code == 0
    key = (folder / "identity.key").read_text()
    assert (await join(door.link(Role.OPERATOR), "--as", "Ann")).code == 0
    assert (folder / "identity.key").read_text() == key
    (ann,) = door.document.people
    assert ann.role is Role.OPERATOR


async def test_a_link_is_good_once(
    door: Doorway, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = door.link(Role.VIEWER)
    assert (await join(link, "--as", "Ann")).code == 0
    monkeypatch.setenv("SESSIOND_IDENTITY", str(tmp_path / "another's"))
    ended = await join(link, "--as", "Bea")
    assert ended.code == 2
    assert "used already" in ended.err
    assert not (tmp_path / "another's/sessions").exists()


async def test_a_wrong_secret_is_refused(door: Doorway, folder: Path) -> None:
    link = door.link(Role.VIEWER)
    other = door.link(Role.VIEWER)
    wrong = str(link).replace(link.token.secret, other.token.secret)
    ended = await join(wrong)
    assert (ended.code, door.document.people) == (2, ())
    assert other.token.secret not in ended.err + ended.out


async def test_another_computer_is_told_nothing(door: Doorway, folder: Path) -> None:
    link = door.link(Role.VIEWER)
    swapped = JoinLink(
        link.session, ((door.join_address, identity_of("bob").id),), link.token
    )
    ended = await join(swapped)
    assert ended.code == 2
    assert "Another computer answers" in ended.err
    assert door.greeted == 0


async def test_the_next_place_is_tried(
    agent: FakeAgent, door: Doorway, folder: Path
) -> None:
    nowhere = (Address("127.0.0.1:1"), identity_of("bob").id)
    swapped = (door.join_address, identity_of("bob").id)
    link = door.link(Role.VIEWER)
    ended = await join(JoinLink(link.session, (nowhere, swapped), link.token))
    # Worse than an absent host is one that is another.
    assert (ended.code, door.greeted) == (2, 0)
    ended = await join(JoinLink(link.session, (nowhere, *link.places), link.token))
    assert (ended.code, ended.err) == (0, "")


async def test_a_host_that_can_take_nobody_in_now_is_passed_over(
    door: Doorway, folder: Path
) -> None:
    door.error = Unavailable("Nobody leads.", "Try again.")
    ended = await join(door.link(Role.VIEWER))
    assert ended.code == 3
    assert ended.err == "error: Nobody leads.\nhint: Try again.\n"
    door.error = Refused("No.")
    assert (await join(door.link(Role.VIEWER))).code == 2


async def test_nobody_there_is_3(door: Doorway, folder: Path) -> None:
    link = door.link(Role.VIEWER)
    nowhere = ((Address("127.0.0.1:1"), identity_of("alice").id),)
    ended = await join(JoinLink(link.session, nowhere, link.token))
    assert (ended.code, ended.out) == (3, "")


async def test_an_answer_of_another_session_is_refused(
    door: Doorway, folder: Path
) -> None:
    link = door.link(Role.VIEWER)
    other = replace(door.document.spec, name="sunday")  # type: ignore[arg-type]
    door.document = replace(door.document, spec=other)
    ended = await join(link)
    assert ended.code == 2
    assert "is not friday-jam with us" in ended.err
    assert not (folder / "sessions").exists()


async def test_a_host_that_is_another_one_now_is_not_spoken_to(
    agent: FakeAgent, door: Doorway, folder: Path
) -> None:
    assert (await join(door.link(Role.VIEWER))).code == 0
    file = folder / "sessions/friday-jam.json"
    known = json.loads(file.read_text())
    known["members"][0]["certificate"] = identity_of("bob").certificate
    file.write_text(json.dumps(known))
    ended = await sessiond(door.address, "status")
    assert ended.code == 3
    assert "another certificate" in ended.err
    assert agent.asked == []


def last_seen_at(folder: Path, address: str) -> None:
    """Have alice known to this person at another address."""
    file = folder / "sessions/friday-jam.json"
    known = json.loads(file.read_text())
    (alice,) = known["members"]
    file.write_text(json.dumps({**known, "members": [{**alice, "address": address}]}))


@asynccontextmanager
async def seeing(tmp_path: Path, address: Address) -> AsyncIterator[str]:
    """Give this computer an agent that sees alice's id at an address."""
    alice = identity_of("alice")
    seen = HostSighting(
        name=HostName("alice"), id=alice.id, address=address, version="0.1.0"
    )
    async with served(
        FakeAgent(sightings=(seen,)), "own", f"unix:{tmp_path}/agent.sock"
    ) as where:
        yield where


@dataclass(frozen=True)
class Impostor:
    """Somebody with another certificate, who lets in whoever the host does."""

    where: Address
    asked: list[tuple[object, ...]]


@asynccontextmanager
async def impostor(agent: FakeAgent) -> AsyncIterator[Impostor]:
    mallory = FakeAgent(running=agent.running)
    async with served(mallory, "mallory", "127.0.0.1:0") as where:
        yield Impostor(Address(where), mallory.asked)


@asynccontextmanager
async def served(agent: FakeAgent, name: str, listen: str) -> AsyncIterator[str]:
    """Serve an agent that everybody who has an identity here may ask."""
    trust, mine = ListedTrust(), own_certificate()
    trust.listed[id_of(mine)] = (mine, Role.VIEWER)
    server = await open_server(
        [listen],
        identity=identity_of(name),
        trust=trust,
        agent=agent,
        membership=agent,
        on_fault=failed,
    )
    try:
        yield server.addresses[0]
    finally:
        await server.close()


def own_certificate() -> Certificate:
    own = Path(os.environ["SESSIOND_IDENTITY"])
    return Certificate((own / "identity.crt").read_text())


def failed(method: str, error: Exception) -> None:
    raise AssertionError(method) from error


class TestByName:
    async def test_finds_the_hosts_again(
        self, agent: FakeAgent, door: Doorway, folder: Path
    ) -> None:
        assert (await join(door.link(Role.VIEWER))).code == 0
        agent.running = replace(
            door.document, stamp=replace(door.document.stamp, revision=9)
        )
        ended = await join("friday-jam")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.splitlines() == [
            "friday-jam is found, at 3.9.",
            f"Look: sessiond --agent {door.address} status friday-jam",
        ]

    async def test_a_host_says_nothing_of_another_session(
        self, agent: FakeAgent, door: Doorway, folder: Path
    ) -> None:
        assert (await join(door.link(Role.VIEWER))).code == 0
        before = files_in(folder)
        other = replace(door.document.spec, name="sunday")  # type: ignore[arg-type]
        agent.running = replace(door.document, spec=other)
        ended = await join("friday-jam")
        assert ended.code == 2
        assert "answers with the session sunday" in ended.err
        assert files_in(folder) == before

    async def test_a_host_answers_with_what_a_leader_stamps(
        self, agent: FakeAgent, door: Doorway, folder: Path
    ) -> None:
        assert (await join(door.link(Role.VIEWER))).code == 0
        twice = door.document.members * 2
        agent.running = replace(door.document, members=twice)
        ended = await join("friday-jam")
        assert (ended.code, ended.out) == (2, "")
        assert "is none of a leader's" in ended.err

    async def test_each_host_is_asked_as_itself(
        self, agent: FakeAgent, door: Doorway, folder: Path
    ) -> None:
        assert (await join(door.link(Role.VIEWER))).code == 0
        # Another member was last seen where this one is now.
        file = folder / "sessions/friday-jam.json"
        known = json.loads(file.read_text())
        bob = identity_of("bob")
        there = {"name": "bob", "id": bob.id, "certificate": bob.certificate}
        known["members"].insert(0, {**there, "address": door.address})
        file.write_text(json.dumps(known))
        ended = await join("friday-jam")
        assert (ended.code, ended.err) == (0, "")
        assert agent.asked == [("spec", "friday-jam")]

    async def test_a_host_that_has_moved_is_found_where_it_is_seen(
        self, agent: FakeAgent, door: Doorway, folder: Path, tmp_path: Path
    ) -> None:
        assert (await join(door.link(Role.VIEWER))).code == 0
        last_seen_at(folder, "127.0.0.1:1")
        assert (await join("friday-jam")).code == 3
        async with seeing(tmp_path, door.address) as own:
            ended = await sessiond(own, "join", "friday-jam")
        assert (ended.code, ended.err) == (0, "")
        assert agent.asked == [("spec", "friday-jam")]
        assert (await sessiond(door.address, "status", "friday-jam")).code == 0

    async def test_a_false_hint_is_told_nothing(
        self, agent: FakeAgent, door: Doorway, folder: Path, tmp_path: Path
    ) -> None:
        assert (await join(door.link(Role.VIEWER))).code == 0
        last_seen_at(folder, "127.0.0.1:1")
        before = (folder / "sessions/friday-jam.json").read_text()
        async with impostor(agent) as mallory, seeing(tmp_path, mallory.where) as own:
            ended = await sessiond(own, "join", "friday-jam")
        assert (ended.code, ended.out) == (3, "")
        assert (mallory.asked, agent.asked) == ([], [])
        assert (folder / "sessions/friday-jam.json").read_text() == before

    async def test_a_false_hint_keeps_nobody_from_a_host_that_has_not_moved(
        self, agent: FakeAgent, door: Doorway, folder: Path, tmp_path: Path
    ) -> None:
        assert (await join(door.link(Role.VIEWER))).code == 0
        async with impostor(agent) as mallory, seeing(tmp_path, mallory.where) as own:
            ended = await sessiond(own, "join", "friday-jam")
        assert (ended.code, ended.err) == (0, "")
        assert (mallory.asked, agent.asked) == ([], [("spec", "friday-jam")])

    async def test_needs_a_link_first(self, folder: Path) -> None:
        ended = await join("friday-jam")
        assert ended.code == 2
        assert "a name alone proves nothing" in ended.err
        assert "sessiond invite friday-jam" in ended.err

    async def test_nobody_there_is_3(self, door: Doorway, folder: Path) -> None:
        assert (await join(door.link(Role.VIEWER))).code == 0
        for server in door.servers:
            await server.close()
        ended = await join("friday-jam")
        assert ended.code == 3
        assert "None of the hosts of friday-jam answers" in ended.err

    async def test_neither_link_nor_name(self, folder: Path) -> None:
        ended = await join("http://friday")
        assert ended.code == 2
        assert "must be a session name" in ended.err


async def test_a_host_that_came_later_is_found_by_the_sessions_name(
    agent: FakeAgent, door: Doorway, folder: Path
) -> None:
    assert (await join(door.link(Role.VIEWER))).code == 0
    ended = await sessiond("127.0.0.1:1", "status")
    assert ended.code == 2
    assert "`sessiond join` with the session's name" in ended.err
    assert agent.asked == []
