"""A person's folder: who they are, whom they have met, and nobody else's to read."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sessiond.cli.person import Belongings, Met, MetSession
from sessiond.core.roles import Role
from sessiond.core.stamped import Member
from sessiond.errors import Broken, Refused
from sessiond.places import default_identity_dir
from sessiond.units import Address, Certificate, HostId, HostName, SessionName
from tests.cli import pictures
from tests.support.identities import identity_of

ALICE, BOB = identity_of("alice"), identity_of("bob")


def met(name: str, address: str) -> Met:
    shown = identity_of(name)
    return Met(
        name=HostName(name),
        id=shown.id,
        address=Address(address),
        certificate=shown.certificate,
    )


def session(name: str, *members: Met) -> MetSession:
    return MetSession(name=SessionName(name), role=Role.VIEWER, members=members)


@pytest.fixture
def own(tmp_path: Path) -> Belongings:
    return Belongings(tmp_path / "a" / "b")


def test_where_it_is() -> None:
    home = {"HOME": "/home/ann"}
    assert default_identity_dir(home) == "/home/ann/.config/sessiond"
    assert default_identity_dir({**home, "SESSIOND_IDENTITY": "/x"}) == "/x"
    assert default_identity_dir({**home, "SESSIOND_IDENTITY": ""}) == (
        "/home/ann/.config/sessiond"
    )


class TestIdentity:
    def test_there_is_none_before_it_is_needed(
        self, own: Belongings, tmp_path: Path
    ) -> None:
        assert own.identity() is None
        assert own.certificate_at("127.0.0.1:7700") is None
        assert own.session(pictures.JAM) is None
        assert not (tmp_path / "a").exists()

    def test_it_is_made_once(self, own: Belongings) -> None:
        made = own.identity_for("Ann of the crew " * 16)
        assert own.identity() == own.identity_for("Bea") == made

    def test_half_of_one_is_none(self, own: Belongings, tmp_path: Path) -> None:
        made = own.identity_for("Ann")
        (tmp_path / "a/b/identity.key").unlink()
        assert own.identity() is None
        assert own.identity_for("Ann").id != made.id

    def test_a_key_that_others_may_read_is_refused(
        self, own: Belongings, tmp_path: Path
    ) -> None:
        own.identity_for("Ann")
        (tmp_path / "a/b/identity.key").chmod(0o640)
        with pytest.raises(Refused, match="Others may read your key") as caught:
            own.identity()
        assert "chmod 600" in caught.value.hint

    def test_a_damaged_one_is_broken(self, own: Belongings, tmp_path: Path) -> None:
        own.identity_for("Ann")
        (tmp_path / "a/b/identity.crt").write_text(BOB.certificate)
        with pytest.raises(Broken):
            own.identity()
        (tmp_path / "a/b/identity.crt").unlink()
        with pytest.raises(Broken):
            own.identity()


class TestSessions:
    def test_members_are_kept_who_can_be_known_again(self, own: Belongings) -> None:
        alice, bob, carol = pictures.STAMPED.members
        known = replace(alice, id=ALICE.id, certificate=ALICE.certificate)
        # Bob's certificate is another's, Carol has not joined.
        swapped = replace(bob, id=BOB.id, certificate=ALICE.certificate)
        odd = Member(
            name=HostName("odd"),
            id=HostId("0" * 32),
            address=Address("h:1"),
            certificate=Certificate("none"),
        )
        stamped = replace(pictures.STAMPED, members=(known, swapped, carol, odd))
        kept = own.remember(stamped, Role.VIEWER)
        assert kept == own.session(pictures.JAM)
        assert kept == session("friday-jam", met("alice", "192.168.1.20:7700"))

    def test_an_address_leads_to_one_certificate(self, own: Belongings) -> None:
        own.keep(session("a", met("alice", "192.0.2.1:7700")))
        own.keep(session("b", met("bob", "127.0.0.1:7701")))
        assert own.certificate_at("192.0.2.1:7700") == ALICE.certificate
        assert own.certificate_at("localhost:7701") == BOB.certificate
        for where in ("192.0.2.1:7701", "localhost:7700", "no-such.invalid:7700"):
            assert own.certificate_at(where) is None

    def test_the_newest_session_knows_best(
        self, own: Belongings, tmp_path: Path
    ) -> None:
        own.keep(session("a", met("alice", "192.0.2.1:7700")))
        own.keep(session("b", met("bob", "192.0.2.1:7700")))
        for name, when in (("a", 2), ("b", 1)):
            os.utime(tmp_path / f"a/b/sessions/{name}.json", (when, when))
        assert own.certificate_at("192.0.2.1:7700") == ALICE.certificate

    @pytest.mark.parametrize(
        "content", ["", "{", "[]", "{}", '{"session": "a", "role": "x", "members": []}']
    )
    def test_a_damaged_file_is_named(
        self, own: Belongings, tmp_path: Path, content: str
    ) -> None:
        own.keep(session("a"))
        file = tmp_path / "a/b/sessions/a.json"
        file.write_text(content)
        for ask in (
            lambda: own.session(SessionName("a")),
            lambda: own.certificate_at("h:1"),
        ):
            with pytest.raises(Broken, match=str(file)):
                ask()

    def test_no_half_file_is_left(self, own: Belongings, tmp_path: Path) -> None:
        own.keep(session("a"))
        draft = tmp_path / "a/b/sessions/.a.json.new"
        draft.write_text("{")
        own.keep(session("a", met("alice", "192.0.2.1:7700")))
        assert not draft.exists()
        written = json.loads((tmp_path / "a/b/sessions/a.json").read_text())
        assert len(written["members"]) == 1


def test_a_folder_that_is_none_is_broken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    own = Belongings(tmp_path / "file")
    for ask in (own.identity, lambda: own.identity_for("Ann")):
        with pytest.raises(Broken, match="can't be used") as caught:
            ask()
        assert "$SESSIOND_IDENTITY" in caught.value.hint
