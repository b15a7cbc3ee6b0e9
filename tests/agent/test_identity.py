"""Who a host is: made once, kept for good, and carried over from before."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.identity import EARLIER, carried_over, load_identity, station_label
from sessiond.errors import Broken, Unavailable
from sessiond.units import HostId
from tests.core.examples import ALICE, BOB, document, session
from tests.support.fakes import FakeStore

DUO = document(session((ALICE, BOB)))
OLD = HostId("0123456789abcdef" * 2)


@pytest.fixture
def store(tmp_path: Path) -> FakeStore:
    return FakeStore(tmp_path)


def test_an_identity_is_made_once_and_kept(store: FakeStore) -> None:
    made = load_identity(store, ALICE)
    assert load_identity(store, BOB) == made
    assert station_label(store) == made.id


def test_two_hosts_have_two_identities(store: FakeStore, tmp_path: Path) -> None:
    other = FakeStore(tmp_path)
    assert load_identity(store, ALICE).id != load_identity(other, ALICE).id


def test_an_identity_that_can_not_be_kept_is_an_error_at_the_start(
    store: FakeStore,
) -> None:
    store.full = True
    with pytest.raises(Unavailable):
        load_identity(store, ALICE)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN", "ä".encode()])
def test_a_damaged_identity_is_not_made_anew(store: FakeStore, content: bytes) -> None:
    store.save_secret("key", content)
    with pytest.raises(Broken, match="identity"):
        load_identity(store, ALICE)


def test_who_runs_no_session_of_an_earlier_version_is_as_it_is_stored(
    store: FakeStore,
) -> None:
    identity = load_identity(store, ALICE)
    assert carried_over(DUO, ALICE, identity, store) is DUO


def test_an_earlier_id_in_the_stored_session_becomes_the_certificates(
    store: FakeStore,
) -> None:
    store.save(EARLIER, OLD.encode())
    alice, bob = replace(DUO.members[0], id=OLD), DUO.members[1]
    before = replace(DUO, members=(alice, bob))
    identity = load_identity(store, ALICE)
    after = carried_over(before, ALICE, identity, store)
    mine = replace(alice, id=identity.id, certificate=identity.certificate)
    assert after == replace(before, members=(mine, bob))
    assert carried_over(after, ALICE, identity, store) is after
    assert station_label(store) == OLD, "its station is where it was started"


def test_nobodys_station_has_no_folder(store: FakeStore) -> None:
    assert station_label(store) is None
