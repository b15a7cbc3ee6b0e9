"""The verdict for machines, and the metrics, of a session in several states."""

import json
import re
from dataclasses import replace

import pytest

from sessiond.core.conditions import Reason, error
from sessiond.core.health import (
    filler_health_document,
    health_document,
    heard_as,
)
from sessiond.core.hearing import MountSound, SoundState
from sessiond.core.metrics import metrics_text
from sessiond.core.spec import Codec
from sessiond.core.stamped import Stamp
from sessiond.core.status import (
    AudioStatus,
    ClockStatus,
    HostStatus,
    LinkState,
    LinkStatus,
    MountState,
    MountStatus,
    Phase,
    SessionStatus,
)
from sessiond.units import Decibels, MountPath, Seconds, SessionName, Term, UdpPort
from tests.core.examples import ALICE, BOB

MIX = MountPath("/mix.ogg")
SOUND = MountSound(
    path=MIX,
    listening=True,
    progressing=True,
    age_s=Seconds(0.25),
    loudness_lufs=Decibels(-18.125),
    true_peak_db=Decibels(-1.5),
    delay_s=Seconds(4.2),
    gaps=1,
)
MOUNT = MountStatus(
    path=MIX,
    url="http://radio/mix.ogg",
    state=MountState.LIVE,
    host=ALICE,
    format=Codec.VORBIS,
    bitrate_kbps=None,
    listeners=5,
    peak_db=Decibels(float("-inf")),
    title='A "title"',
    sound=SOUND,
    heard_by=BOB,
)
STATUS = SessionStatus(
    session=SessionName("jam"),
    stamp=Stamp(Term(1), 1),
    phase=Phase.ON_AIR,
    leader=ALICE,
    hosts=(
        HostStatus(
            name=ALICE,
            id=None,
            address=None,
            audio=AudioStatus(jack_server="default", xruns=3, dsp_load=0.25),
            clock=ClockStatus(offset_ms=-1.5),
            conditions=(error(Reason.JACK_ABSENT, "No JACK."),),
        ),
    ),
    links=(LinkStatus(a=ALICE, b=BOB, state=LinkState.UP, udp_port=UdpPort(4464)),),
    mounts=(MOUNT,),
)


def with_sound(**fields: object) -> SessionStatus:
    sound = replace(SOUND, **fields)  # type: ignore[arg-type]
    return replace(STATUS, mounts=(replace(MOUNT, sound=sound),))


def test_all_is_well() -> None:
    document = health_document(ALICE, STATUS)
    assert json.loads(json.dumps(document, allow_nan=False)) == {
        "ok": True,
        "host": "alice",
        "session": "jam",
        "phase": "on-air",
        "wrong": [],
        "mounts": [
            {
                "path": "/mix.ogg",
                "state": "live",
                "sound": "heard",
                "heard_by": "bob",
                "heard_ago_s": 0.25,
                "silent_s": 0.0,
                "clipping": False,
                "loudness_lufs": -18.12,
                "true_peak_db": -1.5,
                "delay_s": 4.2,
                "gaps": 1,
                "title": 'A "title"',
                "listeners": 5,
            }
        ],
    }


def test_a_host_in_no_session_is_well() -> None:
    document = health_document(ALICE, None)
    assert (document["ok"], document["session"], document["mounts"]) == (True, None, [])


def test_a_station_outside_a_session_is_as_its_filler_sounds() -> None:
    assert filler_health_document(ALICE, [], [SOUND]) == health_document(ALICE, None)
    well = filler_health_document(ALICE, [MIX], [replace(SOUND, title="A - B")])
    assert (well["ok"], well["session"], well["wrong"]) == (True, None, [])
    assert well["mounts"] == [
        {
            "path": "/mix.ogg",
            "state": "filler",
            "sound": "heard",
            "heard_ago_s": 0.25,
            "silent_s": 0.0,
            "clipping": False,
            "loudness_lufs": -18.12,
            "true_peak_db": -1.5,
            "delay_s": 4.2,
            "gaps": 1,
            "title": "A - B",
        }
    ]
    silent = filler_health_document(ALICE, [MIX], [replace(SOUND, silent=True)])
    assert (silent["ok"], silent["wrong"]) == (False, ["/mix.ogg is silent"])
    unheard = filler_health_document(ALICE, [MIX], [])
    assert unheard["ok"] is False
    assert "nobody has heard /mix.ogg" in str(unheard["wrong"])
    assert '"title": null' in json.dumps(unheard)


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        (with_sound(silent=True), "/mix.ogg is silent"),
        (with_sound(progressing=False, age_s=Seconds(60)), "/mix.ogg stalls"),
        (with_sound(age_s=Seconds(5.1)), "nobody has heard /mix.ogg in the last 5 s"),
        (with_sound(age_s=None), "nobody has heard"),
        (with_sound(progressing=False, listening=False), "nobody has heard"),
        (replace(STATUS, mounts=(replace(MOUNT, sound=None),)), "nobody has heard"),
        (
            replace(STATUS, mounts=(replace(MOUNT, state=MountState.DOWN),)),
            "/mix.ogg is down",
        ),
    ],
)
def test_what_is_wrong_is_said(status: SessionStatus, wrong: str) -> None:
    document = health_document(ALICE, status)
    assert document["ok"] is False
    assert wrong in str(document["wrong"])


def test_a_figure_that_is_old_is_none() -> None:
    assert heard_as(SOUND) is SoundState.HEARD
    assert heard_as(None) is None


LINE = re.compile(
    r'sessiond_[a-z_]+(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"]*")*\})? -?[0-9.]+'
)


WHO = (
    'sessiond_session_info{session="jam",phase="on-air",leader="alice",'
    'broadcaster="",standby=""} 1'
)


def test_metrics_of_a_session() -> None:
    text = metrics_text(ALICE, "1.0", STATUS)
    lines = text.splitlines()
    assert text.endswith("\n")
    assert all(line.startswith("# ") or LINE.fullmatch(line) for line in lines)
    for line in (
        'sessiond_agent_info{host="alice",version="1.0"} 1',
        WHO,
        "sessiond_on_air 1",
        'sessiond_host_alive{host="alice"} 1',
        'sessiond_host_xruns_total{host="alice"} 3',
        "# TYPE sessiond_host_xruns_total counter",
        'sessiond_host_dsp_load_ratio{host="alice"} 0.25',
        'sessiond_host_clock_offset_seconds{host="alice"} -0.0015',
        'sessiond_host_conditions{host="alice",severity="error"} 1',
        'sessiond_host_conditions{host="alice",severity="warning"} 0',
        'sessiond_link_up{a="alice",b="bob"} 1',
        'sessiond_mount_live{mount="/mix.ogg"} 1',
        'sessiond_mount_listeners{mount="/mix.ogg"} 5',
        'sessiond_mount_heard_age_seconds{mount="/mix.ogg"} 0.25',
        'sessiond_mount_progressing{mount="/mix.ogg"} 1',
        'sessiond_mount_silent{mount="/mix.ogg"} 0',
        'sessiond_mount_clipping{mount="/mix.ogg"} 0',
        "# TYPE sessiond_mount_loudness_lufs gauge",
        'sessiond_mount_loudness_lufs{mount="/mix.ogg"} -18.125',
        'sessiond_mount_true_peak_dbtp{mount="/mix.ogg"} -1.5',
        'sessiond_mount_delay_seconds{mount="/mix.ogg"} 4.2',
        'sessiond_mount_gaps_per_minute{mount="/mix.ogg"} 1',
    ):
        assert line in lines


def test_what_is_not_known_has_no_line() -> None:
    unknown = replace(STATUS, mounts=(replace(MOUNT, sound=None),))
    text = metrics_text(ALICE, "1.0", unknown)
    assert "sessiond_mount_live" in text
    for name in ("silent", "loudness", "heard_age", "delay", "gaps", "bus_peak"):
        assert f"sessiond_mount_{name}" not in text
    never = metrics_text(ALICE, "1.0", with_sound(age_s=None))
    assert "sessiond_mount_silent" not in never
    assert "sessiond_link_latency" not in text


def test_metrics_outside_a_session() -> None:
    assert metrics_text(ALICE, 'a"b\\c\n', None) == (
        "# HELP sessiond_agent_info The agent that answers.\n"
        "# TYPE sessiond_agent_info gauge\n"
        'sessiond_agent_info{host="alice",version="a\\"b\\\\c\\n"} 1\n'
    )
