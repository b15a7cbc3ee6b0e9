from dataclasses import replace
from typing import Any

import pytest

from sessiond.core.amend import checked, with_gain, without_host
from sessiond.core.spec import BroadcastSettings, LinkSettings
from sessiond.core.specfile import parse_spec
from sessiond.core.specwriter import format_spec
from sessiond.errors import Refused
from sessiond.units import Decibels, HostName, Kbps, MountPath
from tests.core.examples import ALICE, BOB, CAROL, mount, session

MIX = MountPath("/mix.ogg")


def test_a_spec_from_a_file_passes_unchanged() -> None:
    spec = session(mounts=(mount(), mount("/dj1.ogg", ALICE)))
    assert checked(spec) == parse_spec(format_spec(spec)).spec
    assert checked(checked(spec)) == checked(spec)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"links": LinkSettings(bit_depth=7)}, "links.bit_depth"),
        ({"links": LinkSettings(queue_packets=1)}, "links.queue_packets"),
        ({"mounts": (mount(), mount())}, "path"),
        ({"mounts": (mount("/mix-standby.ogg"),)}, "path"),
        ({"mounts": (mount("/mix.ogg", HostName("zoe")),)}, "sources"),
        ({"mounts": (replace(mount(), sources=()),)}, "sources"),
        ({"mounts": (replace(mount(), bitrate_kbps=Kbps(1)),)}, "bitrate_kbps"),
        ({"broadcast": BroadcastSettings(prefer=(HostName("zoe"),))}, "prefer"),
        ({"rate_hz": 12345}, "rate_hz"),
        ({"hosts": ()}, "hosts"),
    ],
)
def test_what_no_file_could_say_is_refused_by_name(
    wrong: dict[str, Any], where: str
) -> None:
    with pytest.raises(Refused) as refused:
        checked(replace(session(), **wrong))
    assert where in refused.value.hint
    assert "line " not in refused.value.hint


def test_a_fader_is_moved_and_only_it() -> None:
    spec = checked(session(mounts=(mount(), mount("/dj1.ogg", ALICE))))
    moved = with_gain(spec, MIX, BOB, Decibels(-6.0))
    assert moved.mounts[0].gains_db == {BOB: -6.0}
    assert moved.mounts[1] == spec.mounts[1]
    assert with_gain(moved, MIX, BOB, Decibels(0.0)) == spec


@pytest.mark.parametrize(
    ("path", "host", "gain"),
    [
        ("/other.ogg", ALICE, 0.0),
        ("/dj1.ogg", BOB, 0.0),
        ("/mix.ogg", ALICE, 25.0),
        ("/mix.ogg", ALICE, float("nan")),
    ],
)
def test_a_fader_that_is_not_there_is_refused(
    path: str, host: HostName, gain: float
) -> None:
    spec = session(mounts=(mount(), mount("/dj1.ogg", ALICE)))
    with pytest.raises(Refused):
        with_gain(spec, MountPath(path), host, Decibels(gain))


def test_who_leaves_is_named_nowhere_any_more() -> None:
    mounts = (
        replace(mount(), gains_db={BOB: Decibels(-3.0)}),
        mount("/dj1.ogg", BOB),
        mount("/duo.ogg", BOB, CAROL),
    )
    settings = BroadcastSettings(prefer=(BOB, ALICE), never=frozenset({BOB}))
    left = without_host(session(mounts=mounts, broadcast=settings), BOB)
    assert left.host_names == (ALICE, CAROL)
    assert [m.path for m in left.mounts] == ["/mix.ogg", "/duo.ogg"]
    assert left.mounts[0].gains_db == {}
    assert left.mounts[1].sources == (CAROL,)
    assert left.broadcast == BroadcastSettings(prefer=(ALICE,))
    assert checked(left) == checked(checked(left))
