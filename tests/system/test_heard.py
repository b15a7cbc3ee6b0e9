"""What a session's own ear finds, and what comes of it: in status, health and metrics.

The broadcaster's first FFmpeg encodes silence, as one does that has lost its input:
nothing in JACK's graph and nothing at Icecast shows it.
"""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.ear import decode, listening, silences
from tests.support.eventually import aeventually
from tests.support.jackhost import start_phones
from tests.support.jam import MONITORED, PERIOD, RATE, Jam
from tests.system.conftest import Jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

VOICES = {"alice": "melody", "bob": "drums"}


def deaf_at_first(folder: Path) -> str:
    """Return a PATH whose FFmpeg hears nothing the first time that it records."""
    real = shutil.which("ffmpeg")
    assert real is not None
    folder.mkdir()
    program = folder / "ffmpeg"
    program.write_text(
        "#!/bin/bash\n"
        f'if [[ " $* " == *" -f jack "* ]] && mkdir "{folder}/once" 2>/dev/null\n'
        f'then exec "{real}" "${{@/asetpts=N\\/SR\\/TB/volume=0,asetpts=N/SR/TB}}"\n'
        f'else exec "{real}" "$@"\n'
        "fi\n"
    )
    program.chmod(0o755)
    return str(folder)


def mount(jam: Jam) -> dict[str, Any]:
    found: dict[str, Any] = jam.status()["mounts"][0]
    return found


async def are(jam: Jam, *wanted: str) -> bool:
    """Tell whether the mount is heard, and has these conditions and no others."""
    found = await asyncio.to_thread(mount, jam)
    said = {f"{each['reason']} {each['severity']}" for each in found["conditions"]}
    assert said == set(wanted), found
    return found["silent"] is ("MountSilent" in "".join(wanted))


async def delay(jam: Jam) -> float:
    found = await asyncio.to_thread(mount, jam)
    return float(found["delay_s"] or 0)


async def test_silence_on_the_mount_is_found_and_healed(
    jam_of: Jamming, tmp_path: Path
) -> None:
    jam = jam_of("alice", "bob")
    first = deaf_at_first(tmp_path / "first")
    jam.envs["alice"] = {"PATH": f"{first}:{os.environ['PATH']}"}
    jam.tables = {**jam.tables, "health": MONITORED}
    for name, voice in VOICES.items():
        jam.start_agent(name)
        host = jam.lab.host(name)
        host.start_jackd(RATE, PERIOD)
        host.start_player("--voice", voice)
        start_phones(host)
    jam.await_agents(jam.musicians)
    file = jam.session_file({"/mix.ogg": ("*",)})
    jam.start_icecast(file)
    created = jam.operate("alice", "create", str(file))
    assert created.code == 0, created
    address = jam.station.address
    async with listening(
        address, 8000, "/mix.ogg", connect=jam.station.connect
    ) as heard:
        # The fault is found by the standby's ear, and told by every host.
        await aeventually(lambda: are(jam, "MountSilent error"), within=30)
        assert mount(jam)["heard_by"] == "bob"
        code, document = jam.page("alice", "/healthz")
        assert code == "HTTP/1.0 503 Service Unavailable"
        assert json.loads(document)["wrong"] == ["/mix.ogg is silent"]

        # Then the encoder is renewed, on the same connection to Icecast.
        await aeventually(lambda: are(jam), within=40)
        code, document = jam.page("bob", "/healthz")
        assert (code, json.loads(document)["ok"]) == ("HTTP/1.0 200 OK", True)
        (well,) = json.loads(document)["mounts"]
        assert (well["sound"], well["heard_by"]) == ("heard", "bob")
        assert well["heard_ago_s"] < 2
        _, metrics = jam.page("alice", "/metrics")
        assert 'sessiond_mount_silent{mount="/mix.ogg"} 0' in metrics
        assert "sessiond_mount_heard_age_seconds" in metrics

        # Music tells how late its listeners are.
        late = await aeventually(lambda: delay(jam), within=40)
        assert 0.1 < late < 12
        assert (
            'sessiond_mount_delay_seconds{mount="/mix.ogg"} '
            in jam.page("bob", "/metrics")[1]
        )
        assert not heard.finished.is_set()
    sound = decode(heard.body)
    assert not silences(sound.part(sound.duration - 3, sound.duration), at_least=2)

    # A mix that is silent itself is a remark, and no encoder's fault.
    renewed = encoders(jam)
    for name in jam.musicians:
        assert jam.operate(name, "mute", name).code == 0
    await aeventually(lambda: are(jam, "MountSilent warning"), within=30)
    assert encoders(jam) == renewed


def encoders(jam: Jam) -> int:
    """Return how often the broadcaster renewed an encoder."""
    return jam.agents["alice"].text.count("encoder.unheard")
