"""The ear's figures in the picture of a session."""

from dataclasses import replace

from sessiond.core.conditions import Reason, warning
from sessiond.core.heardmounts import heard_mounts
from sessiond.core.hearing import MountSound
from sessiond.core.spec import Codec
from sessiond.core.status import AudioStatus, HostStatus, MountState, MountStatus
from sessiond.units import HostName, MountPath, Seconds
from tests.core.examples import ALICE, BOB, CAROL

MIX = MountPath("/mix.ogg")
TITLE = warning(Reason.TITLE_NOT_SHOWN, "No title.")
SILENT = warning(Reason.MOUNT_SILENT, "Silence.")
MOUNT = MountStatus(
    path=MIX,
    url="http://radio/mix.ogg",
    state=MountState.LIVE,
    host=ALICE,
    format=Codec.VORBIS,
    bitrate_kbps=None,
    listeners=5,
    conditions=(TITLE,),
)


def sound(age: float | None, *, listening: bool = True) -> MountSound:
    known = None if age is None else Seconds(age)
    return MountSound(path=MIX, age_s=known, listening=listening, conditions=(SILENT,))


def reports(**sounds: MountSound) -> dict[HostName, HostStatus]:
    return {
        HostName(name): HostStatus(
            name=HostName(name),
            id=None,
            address=None,
            audio=AudioStatus(jack_server="default"),
            sounds=(heard, MountSound(path=MountPath("/other.ogg"))),
        )
        for name, heard in sounds.items()
    }


def test_a_mount_that_nobody_hears_stays_as_it_is() -> None:
    assert heard_mounts((MOUNT,), {}) == (MOUNT,)
    silent = {CAROL: replace(reports(carol=sound(1))[CAROL], sounds=())}
    assert heard_mounts((MOUNT,), silent) == (MOUNT,)


def test_what_is_heard_stands_beside_what_is_known() -> None:
    (found,) = heard_mounts((MOUNT,), reports(bob=sound(1)))
    assert (found.sound, found.heard_by) == (sound(1), BOB)
    assert set(found.conditions) == {SILENT, TITLE}


def test_an_ear_is_no_listener() -> None:
    (found,) = heard_mounts((MOUNT,), reports(bob=sound(1)))
    assert found.listeners == 4
    both = reports(bob=sound(1), carol=sound(None, listening=False))
    assert heard_mounts((MOUNT,), both)[0].listeners == 4
    nobody = replace(MOUNT, listeners=0)
    assert heard_mounts((nobody,), reports(bob=sound(1)))[0].listeners == 0


def test_of_two_ears_the_one_that_heard_last_counts() -> None:
    (found,) = heard_mounts((MOUNT,), reports(bob=sound(1), carol=sound(0.5)))
    assert found.heard_by == CAROL
    (found,) = heard_mounts((MOUNT,), reports(bob=sound(None), carol=sound(9)))
    assert found.heard_by == CAROL
