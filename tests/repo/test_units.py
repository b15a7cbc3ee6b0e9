"""The units: systemd understands them, and an installation puts them in place."""

import os
import pwd
import re
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from agent.after_stop import WANTED
from tests.repo.tree import ROOT, text

UNIT = "sessiond-agent.service"
KINDS = ("user", "system")


class Unit(RawConfigParser):
    """A unit as its sections; of a key that stands twice the last one counts."""

    def __init__(self, content: str) -> None:
        super().__init__(strict=False, interpolation=None)
        self.read_string(content)

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def installed(folder: Path, **environment: str) -> str:
    """Install the units below a folder; return what the installation said."""
    own = {"DESTDIR": str(folder), "BIN_DIR": str(folder / "bin"), **environment}
    (folder / "bin").mkdir(exist_ok=True)
    done = subprocess.run(
        (str(ROOT / "deploy/install"), "--systemd"),
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def verify(unit: Path, *options: str) -> str:
    """Return what systemd has against a unit."""
    argv = ("systemd-analyze", *options, "verify", "--man=no", str(unit))
    runtime = {"XDG_RUNTIME_DIR": str(unit.parent)}
    done = subprocess.run(
        argv,
        env={**os.environ, **runtime},
        capture_output=True,
        text=True,
        check=False,
    )
    # What it doesn't know it ignores, with a word but with exit code 0.
    return f"{done.returncode} {done.stdout}{done.stderr}"


def placed(folder: Path, kind: str) -> Path:
    """Return a unit with this folder's path in it, as an installation would."""
    unit = folder / kind / UNIT
    unit.parent.mkdir()
    template = text(Path("deploy/systemd") / kind / UNIT)
    unit.write_text(template.replace("@ROOT@", str(ROOT)))
    return unit


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    assert verify(placed(tmp_path, "system")) == "0 "
    assert verify(placed(tmp_path, "user"), "--user") == "0 "


def test_systemd_would_tell_of_a_mistake(tmp_path: Path) -> None:
    unit = placed(tmp_path, "system")
    unit.write_text(unit.read_text().replace("WatchdogSec", "WatchdogSeconds"))
    assert "WatchdogSeconds" in verify(unit)


@pytest.mark.parametrize("kind", KINDS)
def test_the_music_outlives_the_agent_and_the_agent_comes_back(kind: str) -> None:
    unit = Unit(text(Path("deploy/systemd") / kind / UNIT))
    asked = {
        "Type": "notify",
        "NotifyAccess": "main",
        "KillMode": "process",
        "OOMPolicy": "continue",
        "Restart": "always",
        "TimeoutStartFailureMode": "abort",
        "LimitRTPRIO": "95",
        "LimitMEMLOCK": "infinity",
        "LimitCORE": "0",
    }
    assert asked.items() <= dict(unit["Service"]).items()
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    # By these the program tells a stop from a crash.
    assert ("timeout", "killed", "KILL") in WANTED
    assert ("timeout", "killed", "ABRT") not in WANTED


def test_the_agent_of_a_station_is_not_root() -> None:
    unit = Unit(text(Path("deploy/systemd/system") / UNIT))
    assert unit["Service"]["User"] == "sessiond"
    assert "u sessiond " in text(Path("deploy/systemd/sysusers.conf"))


def test_the_station_can_gain_no_rights_and_write_nowhere_else() -> None:
    unit = Unit(text(Path("deploy/systemd/system") / UNIT))
    asked = {
        "SupplementaryGroups": "audio",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "AmbientCapabilities": "",
        "ProtectSystem": "strict",
        "StateDirectoryMode": "0700",
        "UMask": "0077",
    }
    assert asked.items() <= dict(unit["Service"]).items()


# What a stranger in one of a station's programs could reach; a hundred is everything.
# SECURITY.md names systemd 252's 2.1 of ten; newer ones weigh more settings.
MOST_EXPOSED = 30


def test_the_station_is_sandboxed(tmp_path: Path) -> None:
    unit = placed(tmp_path, "system")
    asked = ("--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}")
    done = subprocess.run(
        ("systemd-analyze", "security", *asked, str(unit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_sandboxs_score_is_the_one_that_people_are_told(tmp_path: Path) -> None:
    told = re.search(
        r"gives it \*\*(\d+\.\d)\*\* of 10 \(systemd (\d+);", text(Path("SECURITY.md"))
    )
    assert told is not None
    score, version = told.groups()
    here = said_by("systemd-analyze", "--version").split()[1]
    unit = str(placed(tmp_path, "system"))
    rated = said_by("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", rated)
    assert found is not None, rated
    # Another version weighs other settings.
    assert here != version or found[1] == score


def said_by(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout


def test_the_sandbox_leaves_music_what_it_needs() -> None:
    """Each of these was left out for a reason that the unit tells."""
    content = text(Path("deploy/systemd/system") / UNIT)
    service = Unit(content)["Service"]
    for key in ("MemoryDenyWriteExecute", "RestrictRealtime", "RemoveIPC"):
        assert key not in service
        assert f"{key}=:" in content
    assert "AF_NETLINK" in service["RestrictAddressFamilies"]
    filters = re.findall(r"^SystemCallFilter=(.*)$", content, re.MULTILINE)
    assert filters == ["@system-service", "~@privileged", "capset"]


def test_both_units_differ_only_where_they_must() -> None:
    user, system = (Unit(text(Path("deploy/systemd") / k / UNIT)) for k in KINDS)
    own = {"User", "Group", "SupplementaryGroups", "StateDirectory", "Environment"}
    own |= {"StateDirectoryMode", "ExecStart", "ExecStopPost", "OOMScoreAdjust"}
    # The sandbox: the last of the system unit's settings.
    keys = tuple(Unit(text(Path("deploy/systemd/system") / UNIT))["Service"])
    own |= {*keys[keys.index("NoNewPrivileges") :]}
    rest = (
        {k: v for k, v in u["Service"].items() if k not in own} for u in (user, system)
    )
    assert next(rest) == next(rest)


def test_an_installation_puts_the_units_in_place_once(tmp_path: Path) -> None:
    people = pwd.getpwall()
    home = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    said = installed(tmp_path, **home)
    assert f"systemctl --user enable --now {UNIT}" in said
    root = os.geteuid() == 0
    folder = tmp_path / ("etc/systemd/user" if root else "config/systemd/user")
    unit = folder / UNIT
    assert f"wrote {unit}" in said
    assert f'"{ROOT}/.venv/bin/sessiond-agent"' in unit.read_text()
    assert "@ROOT@" not in unit.read_text()
    if root:
        system = tmp_path / "etc/systemd/system" / UNIT
        assert "@ROOT@" not in system.read_text()
        assert f"systemctl enable --now {UNIT}" in said
        assert "sessiond:" in (tmp_path / "etc/passwd").read_text()
    assert "wrote" not in installed(tmp_path, **home)
    # An installation with another root makes nobody here.
    assert pwd.getpwall() == people
    unit.write_text("changed\n")
    assert f"wrote {unit}" in installed(tmp_path, **home)
