"""The containers: what compose is told fits what is here, and the entrypoints work."""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sessiond.core.configfile import HostDefaults, parse_config
from tests.repo.tree import ROOT, text
from tests.support.eventually import eventually

FOLDER = Path("deploy/compose")
SERVICES: dict[str, Any] = yaml.safe_load(text(FOLDER / "compose.yaml"))["services"]
DOCKERFILES = sorted((ROOT / FOLDER).glob("*.Dockerfile"))

# Debian's own Python, which deploy/install finds under several names.
PYTHON = {"python3", "python3-venv"}

# What only a station needs.
FILLER = {"liquidsoap"}


def installed_by_us() -> set[str]:
    """Return the Debian packages that deploy/install knows."""
    lists = re.findall(
        r"^\w+_packages=\((.*?)\)",
        text(Path("deploy/install")),
        re.MULTILINE | re.DOTALL,
    )
    return {pair.partition(":")[0] for each in lists for pair in each.split()}


def run_packages() -> set[str]:
    found = re.search(
        r"^run_packages=\((.*?)\)",
        text(Path("deploy/install")),
        re.MULTILINE | re.DOTALL,
    )
    assert found
    return {pair.partition(":")[0] for pair in found[1].split()}


def packages(dockerfile: Path) -> set[str]:
    """Return the Debian packages that an image is made of."""
    found = re.search(r"apt-get install(.*?)&&", dockerfile.read_text(), re.DOTALL)
    assert found
    return {word for word in found[1].replace("\\", " ").split() if word[0] != "-"}


def test_there_is_one_service_for_each_part() -> None:
    assert set(SERVICES) == {"agent", "station", "next-track", "icecast", "nginx"}
    assert all(service["profiles"] for service in SERVICES.values())


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_names_is_there(name: str) -> None:
    service = SERVICES[name]
    context = ROOT / FOLDER / service["build"]["context"]
    assert context.resolve() == ROOT
    assert (context / service["build"]["dockerfile"]).is_file()
    yours = text(FOLDER / ".gitignore")
    for mounted in service["volumes"]:
        source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", mounted).partition(":")[0]
        name = source.removeprefix("./")
        there = (ROOT / FOLDER / name).is_file() or f"/{name}" in yours
        assert there or source.endswith("-state"), mounted


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service["init"] is True


def test_the_musicians_agent_has_what_jack_lives_on() -> None:
    agent = SERVICES["agent"]
    assert agent["ulimits"]["rtprio"] >= 90
    assert agent["ulimits"]["memlock"] == {"soft": -1, "hard": -1}
    assert agent["shm_size"] == "512m"
    assert agent["devices"] == ["/dev/snd:/dev/snd"]
    assert agent["network_mode"] == "host"


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_an_image_is_made_of_packages_that_deploy_install_knows(
    dockerfile: Path,
) -> None:
    assert dockerfile.read_text().count("FROM debian:12\n") == 1
    assert packages(dockerfile) <= installed_by_us() | PYTHON | FILLER
    for line in dockerfile.read_text().splitlines():
        if line.startswith("COPY "):
            *sources, _ = (w for w in line.split()[1:] if not w.startswith("--"))
            assert all((ROOT / source).exists() for source in sources), line


def test_the_agents_image_has_all_that_an_agent_runs() -> None:
    assert packages(ROOT / FOLDER / "agent.Dockerfile") >= run_packages()


@pytest.mark.parametrize("name", ["agent.toml", "station.toml"])
def test_the_agents_files_are_valid(name: str) -> None:
    defaults = HostDefaults(host_name="x", state_dir="/x", advertise="192.0.2.1")
    assert parse_config(text(FOLDER / name), defaults).name


# --- what the containers start ----------------------------------------------------


def fake(folder: Path, name: str, *lines: str) -> dict[str, str]:
    """Put a program of this name before the others, and return the environment."""
    program = folder / name
    program.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


START = str(ROOT / FOLDER / "agent-start")


@pytest.mark.parametrize(("last", "code"), [(0, 0), (2, 2), (4, 4)])
def test_after_a_crash_the_next_agent_starts_and_after_an_end_none(
    tmp_path: Path, last: int, code: int
) -> None:
    begun = tmp_path / "begun"
    crash_twice = f'[ "$(wc -l <"{begun}")" -gt 2 ] || kill -KILL $$'
    env = fake(
        tmp_path,
        "sessiond-agent",
        f'echo "$*" >>"{begun}"',
        crash_twice,
        f"exit {last}",
    )
    argv = (START, "--config", "a b.toml")
    done = subprocess.run(argv, env=env, timeout=20, check=False, capture_output=True)
    assert done.returncode == code
    assert begun.read_text() == "--config a b.toml\n" * 3


def test_a_stop_is_passed_on_and_waited_for(tmp_path: Path) -> None:
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    env = fake(
        tmp_path,
        "sessiond-agent",
        f"trap 'sleep 0.5; echo >\"{ended}\"; exit 1' TERM",
        f'echo >"{begun}"',
        "while :; do sleep 0.05; done",
    )
    with subprocess.Popen((START,), env=env) as started:
        eventually(begun.exists, within=10)
        started.send_signal(signal.SIGTERM)
        assert started.wait(20) == 1
    assert ended.exists()


def start_nginx(tmp_path: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    env = fake(tmp_path, "nginx", 'echo "$@"')
    site = {"SITE": str(ROOT / "deploy/nginx/site.conf"), "FOLDER": str(tmp_path / "d")}
    return subprocess.run(
        (str(ROOT / FOLDER / "nginx-start"),),
        env=env | site | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def test_nginx_gets_the_stations_name_and_icecasts_place(tmp_path: Path) -> None:
    done = start_nginx(tmp_path, STATION_NAME="radio.example.net", ICECAST="[::1]:8010")
    assert done.returncode == 2
    done = start_nginx(tmp_path, STATION_NAME="radio.example.net", ICECAST="box:8010")
    assert (done.returncode, done.stdout) == (0, "-g daemon off;\n")
    site = (tmp_path / "d/site.conf").read_text()
    assert site.count("server_name radio.example.net;") == 2
    assert "server box:8010;" in site
    assert "example.org" not in site


@pytest.mark.parametrize("name", ["x;", "x\nload_module y", "x/e id", ""])
def test_what_is_no_name_gets_into_no_configuration(tmp_path: Path, name: str) -> None:
    done = start_nginx(tmp_path, STATION_NAME=name, ICECAST="127.0.0.1:8000")
    assert done.returncode != 0
    assert not (tmp_path / "d").exists()
