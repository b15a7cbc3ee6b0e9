import pytest

from sessiond.core.spec import EVERYONE, BroadcastSettings
from sessiond.units import HostName
from tests.core.examples import ALICE, BOB, CAROL, TRIO, mount, session


@pytest.mark.parametrize(
    ("prefer", "never", "expected"),
    [
        ((), (), TRIO),
        ((CAROL,), (), (CAROL, ALICE, BOB)),
        ((CAROL, BOB), (ALICE,), (CAROL, BOB)),
        ((CAROL,), (CAROL,), (ALICE, BOB)),
        ((), TRIO, ()),
    ],
)
def test_preference_is_the_wish_then_the_order_of_hosts_without_the_barred(
    prefer: tuple[HostName, ...],
    never: tuple[HostName, ...],
    expected: tuple[HostName, ...],
) -> None:
    wish = BroadcastSettings(prefer=prefer, never=frozenset(never))
    assert session(broadcast=wish).preference == expected


def test_the_first_mount_is_the_primary() -> None:
    first, second = mount("/a.ogg"), mount("/b.ogg")
    assert session(mounts=(first, second)).primary == first
    assert session(mounts=()).primary is None


@pytest.mark.parametrize(
    ("sources", "heard"),
    [((HostName(EVERYONE),), TRIO), ((CAROL, ALICE), (ALICE, CAROL)), ((BOB,), (BOB,))],
)
def test_a_mount_hears_its_sources_in_the_sessions_order(
    sources: tuple[HostName, ...], heard: tuple[HostName, ...]
) -> None:
    assert session().heard_on(mount("/mix.ogg", *sources)) == heard


@pytest.mark.parametrize(
    ("path", "file_name", "standby", "filler"),
    [
        ("/mix.ogg", "mix.ogg", "/mix-standby.ogg", "/mix-filler.ogg"),
        ("/dj_1.flac", "dj_1.flac", "/dj_1-standby.flac", "/dj_1-filler.flac"),
    ],
)
def test_a_mount_is_named_after_its_path(
    path: str, file_name: str, standby: str, filler: str
) -> None:
    assert mount(path).file_name == file_name
    assert mount(path).standby_path == standby
    assert mount(path).filler_path == filler
