import io
import json
from dataclasses import replace

from rich.console import Console, RenderableType

from sessiond.cli.document import (
    as_text,
    hosts_document,
    spec_document,
    status_document,
)
from sessiond.cli.render import findings_picture, hosts_picture, status_picture
from sessiond.core.status import Finding, HostSighting, Verdict
from sessiond.units import Address, HostId
from tests.cli import pictures


def drawn(picture: RenderableType, *, width: int = 80) -> str:
    """Return what a console of this width shows, without trailing spaces."""
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    console.print(picture)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def test_a_session_on_the_air() -> None:
    assert (
        drawn(status_picture(pictures.ON_AIR))
        == """\
friday-jam  degraded  3.2   leader alice · broadcaster alice · standby bob

HOST       STATE  AUDIO         LOAD  XRUNS  CLOCK       ADDRESS
alice      alive  48 kHz / 128  3%    0      ok ±0.5 ms  192.168.1.20:7700
bob muted  alive  no JACK       –     –      unknown     192.168.1.21:7700
carol      gone   –             –     –      unknown     –

LINK         STATE  UDP PORT  RTT     LATENCY  GLITCHES/MIN
alice – bob  up     4464      0.4 ms  –        0

MOUNT       STATE  FROM   FORMAT      LISTENERS  PEAK     LOUDNESS    DELAY
/mix.ogg    live   alice  vorbis 128  12         -9.1 dB  -18.3 LUFS  4.2 s
/solo.flac  down   –      flac        0          silent   –           –

Listen: http://192.168.1.20:8000/mix.ogg

error bob: No JACK server runs here. [JackAbsent]
error /solo.flac: Icecast refuses the password. [SourceDenied]
warning bob: No time server answers. [ClockUnknown]
  → Look at [clock]."""
    )


def test_a_session_without_mounts_has_no_table_of_them() -> None:
    assert (
        drawn(status_picture(pictures.WITHOUT_MOUNTS))
        == """\
friday-jam  forming  3.2   leader nobody

HOST       STATE  AUDIO         LOAD  XRUNS  CLOCK       ADDRESS
alice      alive  48 kHz / 128  3%    0      ok ±0.5 ms  192.168.1.20:7700
bob muted  gone   –             –     –      unknown     192.168.1.21:7700
carol      gone   –             –     –      unknown     –

LINK           STATE       UDP PORT  RTT     LATENCY  GLITCHES/MIN
alice – bob    connecting  4464      0.4 ms  –        0
alice – carol  down        4465      0.4 ms  –        0

error bob: No JACK server runs here. [JackAbsent]
warning bob: No time server answers. [ClockUnknown]
  → Look at [clock]."""
    )


def test_texts_are_shown_as_they_are() -> None:
    """Square brackets are markup to the library; here they are only brackets."""
    picture = findings_picture(
        [
            Finding(subject="x", verdict=Verdict.FAIL, sentence="[red]", hint="[/]"),
            Finding(subject="y", verdict=Verdict.OK, sentence="fine", hint="unused"),
        ]
    )
    assert drawn(picture).splitlines() == [
        "CHECKED  VERDICT  FINDING",
        "x        fail     [red]",
        "                  → [/]",
        "y        ok       fine",
    ]


def test_hosts_found() -> None:
    seen = HostSighting(
        name=pictures.ALICE,
        id=HostId("0123456789abcdef" * 2),
        address=Address("192.168.1.20:7700"),
        version="0.1.0",
    )
    assert drawn(hosts_picture([seen])).splitlines() == [
        "HOST   ADDRESS            SESSION  VERSION  ID",
        "alice  192.168.1.20:7700  –        0.1.0    01234567",
    ]
    assert drawn(hosts_picture([])) == "No agent was found on this network."
    assert hosts_document([seen])["hosts"][0]["session"] is None


def test_the_status_document_has_the_keys_that_scripts_rely_on() -> None:
    document = json.loads(as_text(status_document(pictures.ON_AIR)))
    assert list(document) == [
        "session", "stamp", "phase", "leader", "role", "broadcaster", "standby",
        "hosts", "links", "mounts",
    ]  # fmt: skip
    assert document["stamp"] == {"term": 3, "revision": 2, "edit": 0}
    assert (document["phase"], document["role"]) == ("degraded", "leader")
    host = document["hosts"][0]
    assert host == {
        "name": "alice",
        "id": "a" * 32,
        "address": "192.168.1.20:7700",
        "state": "alive",
        "voter": True,
        "muted": False,
        "audio": {
            "jack_server": "default",
            "rate_hz": 48000,
            "period_frames": 128,
            "xruns": 0,
            "dsp_load": 0.03,
        },
        "clock": {
            "verdict": "ok",
            "offset_ms": 0.08,
            "bound_ms": 0.5,
            "servers": 4,
            "falsetickers": [],
            "peers_offset_ms": {"bob": 0.1},
        },
        "procs": [
            {
                "name": "link-bob",
                "program": "jacktrip",
                "pid": 411,
                "state": "running",
                "restarts": 0,
            }
        ],
        "strips": [{"host": "bob", "peak_db": None, "rms_db": -30.0}],
        "conditions": [],
    }
    assert document["hosts"][1]["conditions"][0] == {
        "reason": "ClockUnknown",
        "severity": "warning",
        "message": "No time server answers.",
        "hint": "Look at [clock].",
    }
    assert document["links"] == [
        {
            "a": "alice",
            "b": "bob",
            "state": "up",
            "udp_port": 4464,
            "rtt_ms": 0.42,
            "latency_ms": None,
            "glitches_per_min": 0,
            "conditions": [],
        }
    ]
    assert document["mounts"][0] == {
        "path": "/mix.ogg",
        "url": "http://192.168.1.20:8000/mix.ogg",
        "state": "live",
        "host": "alice",
        "format": "vorbis",
        "bitrate_kbps": 128,
        "listeners": 12,
        "peak_db": -9.14,
        "title": "",
        "heard_by": "bob",
        "heard_ago_s": 0.5,
        "progressing": True,
        "silent": False,
        "clipping": False,
        "loudness_lufs": -18.34,
        "true_peak_db": -1.5,
        "delay_s": 4.21,
        "gaps": 0,
        "conditions": [],
    }
    unheard = document["mounts"][1]
    assert unheard["peak_db"] is None
    asked = ("heard_by", "heard_ago_s", "progressing", "silent", "delay_s", "gaps")
    assert [unheard[key] for key in asked] == [None] * 6


def test_the_spec_document() -> None:
    document = json.loads(as_text(spec_document(pictures.STAMPED)))
    assert document["spec"]["hosts"] == ["alice", "bob", "carol"]
    assert document["spec"]["mount"][0]["path"] == "/mix.ogg"
    assert document["members"][2] == {
        "name": "carol",
        "id": None,
        "address": None,
        "reachable": True,
    }
    assert document["links"][0]["udp_port"] == 4464
    assert document["station"]["host"] == "alice"


def test_what_listeners_see_has_a_line_of_its_own() -> None:
    first, *others = pictures.LIVE.mounts
    titled = replace(first, title="The Band - Slow Blues")
    shown = drawn(status_picture(replace(pictures.LIVE, mounts=(titled, *others))))
    assert f"\nOn {first.path}: The Band - Slow Blues\n" in shown
    assert shown.count("\nOn /") == 1
