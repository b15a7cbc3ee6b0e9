"""Only programs of the table are started, from where they were found first."""

import sys
from pathlib import Path

import pytest

from agent.adapters.executables import PACKAGES, Executables, programs
from sessiond.core.argv import (
    icecast_argv,
    jackd_argv,
    jacktrip_argv,
    liquidsoap_argv,
    own_argv,
)
from sessiond.core.proc import Program
from sessiond.core.spec import LinkSettings
from sessiond.errors import Broken
from sessiond.units import Frames, Hertz, ProcName, UdpPort
from tests.core.examples import ALICE, BOB, setup


def install(folder: Path, name: str = "jackd") -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return str(folder / name)


def test_what_was_found_first_stays(tmp_path: Path) -> None:
    late, early = tmp_path / "late", tmp_path / "early"
    here = install(late)
    table = Executables(f"{early}:{late}")
    install(early)
    assert table.of("jackd") == here


def test_what_is_installed_later_is_found_when_it_is_needed(tmp_path: Path) -> None:
    table = Executables(str(tmp_path))
    with pytest.raises(Broken, match="the program jackd is missing") as caught:
        table.of("jackd")
    assert caught.value.hint == "sudo apt install jackd2"
    assert table.of(sys.executable) == sys.executable
    place = install(tmp_path)
    assert table.of("jackd") == place


@pytest.mark.parametrize("path", ["", ".", ":", "sub", "./sub:", "sub:."])
def test_a_relative_folder_is_nowhere(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path)
    install(tmp_path / "sub")
    monkeypatch.chdir(tmp_path)
    assert Executables(path).find("jackd") is None


@pytest.mark.parametrize("program", ["sh", "/bin/sh", "python3", "../jackd", "", "-s"])
def test_nothing_else_is_started(program: str) -> None:
    with pytest.raises(Broken, match="is none that an agent starts"):
        Executables().of(program)


def test_every_argument_list_begins_with_a_program_of_the_table() -> None:
    own = setup(ALICE)
    settings = LinkSettings()
    firsts = {
        Program.JACKD: jackd_argv(own, Hertz(48000), Frames(128))[0],
        Program.JACKTRIP: jacktrip_argv(BOB, None, UdpPort(4464), settings)[0],
        Program.ICECAST: icecast_argv("icecast.xml")[0],
        Program.LIQUIDSOAP: liquidsoap_argv("radio.liq")[0],
        Program.MIXDOWN: own_argv(own, Program.MIXDOWN, ProcName("m"), "s")[0],
        Program.SOURCE: own_argv(own, Program.SOURCE, ProcName("s"), "s")[0],
        Program.EAR: own_argv(own, Program.EAR, ProcName("e"), "s")[0],
    }
    assert firsts.keys() == set(Program)
    stations_own = {"liquidsoap"}
    assert set(firsts.values()) <= PACKAGES.keys() | stations_own | {own.python}


def test_the_doctor_sees_what_is_there_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert set(programs().values()) == {None}
    place = install(tmp_path, "ffmpeg")
    assert programs()["ffmpeg"] == Path(place)
