"""Every Python package that an installation brings is pinned."""

import re
import subprocess
import sys
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.repo.tree import ROOT

PIN = re.compile(r"([a-z0-9-]+)==([0-9][0-9A-Za-z.+!]*)")


def pins() -> dict[str, str]:
    lines = (ROOT / "deploy/constraints.txt").read_text().splitlines()
    found = [PIN.fullmatch(line) for line in lines]
    assert all(found), "only exact pins, one a line"
    return {match[1]: match[2] for match in found if match}


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["dev"],
    ]
    return [Requirement(line) for line in lines]


def test_what_we_ask_for_is_pinned_within_its_range() -> None:
    pinned = pins()
    for requirement in requirements():
        name = canonicalize_name(requirement.name)
        assert name in pinned
        assert pinned[name] in requirement.specifier


def test_what_is_installed_is_what_is_pinned() -> None:
    command = (sys.executable, str(ROOT / "deploy/pins"))
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    listed = (ROOT / "deploy/constraints.txt").read_text()
    assert set(found.split()) <= set(listed.split()), "run `make pins`"


def test_protobuf_is_new_enough_for_the_generated_code() -> None:
    stubs = next((ROOT / "sessiond/v1").glob("*_pb2.py")).read_text()
    made_with = re.search(r"Protobuf Python Version: (\d+)\.(\d+)", stubs)
    assert made_with
    has = pins()["protobuf"].split(".")
    assert (int(has[0]), int(has[1])) >= (int(made_with[1]), int(made_with[2]))


# The first release without any hole that was known in November 2026. SECURITY.md says
# how to look for newer ones.
SOUND_SINCE = {
    "anyio": "4.14.2",
    "certifi": "2024.7.4",
    "cryptography": "48.0.1",
    "grpcio": "1.60.1",
    "h11": "0.16.0",
    "idna": "3.15",
    "protobuf": "6.33.5",
    "zeroconf": "0.149.16",
}


def test_no_installation_can_have_a_release_with_a_known_hole() -> None:
    asked = {canonicalize_name(r.name): r.specifier for r in requirements()}
    for name, since in SOUND_SINCE.items():
        floors = [
            Version(s.version)
            for s in asked[canonicalize_name(name)]
            if s.operator == ">="
        ]
        assert floors
        assert max(floors) >= Version(since), name
