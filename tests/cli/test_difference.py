from dataclasses import replace

import pytest

from sessiond.cli.difference import difference
from sessiond.core.specfile import parse_spec

BEFORE = """\
name = "jam"
hosts = ["alice", "bob"]
[[mount]]
path = "/a.ogg"
[[mount]]
path = "/b.ogg"
sources = ["bob"]
"""


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("jam", "jam", []),
        ('["alice", "bob"]', '["alice", "bob", "carol"]', ["+ host carol"]),
        ('["alice", "bob"]', '["bob"]', ["- host alice"]),
        (
            '["alice", "bob"]',
            '["bob", "alice"]',
            ["~ order of hosts: alice, bob → bob, alice"],
        ),
        (
            'name = "jam"',
            'name = "jam"\nperiod_frames = 64',
            ["~ period_frames: 0 → 64"],
        ),
        ("/a.ogg", "/c.ogg", ["- mount /a.ogg", "+ mount /c.ogg"]),
        (
            '"/a.ogg"',
            '"/a.ogg"\ngains_db = { bob = -6 }',
            ["+ mount /a.ogg gains_db = { bob = -6.0 }"],
        ),
        (
            '"/a.ogg"',
            '"/a.ogg"\nname = "x → y"',
            ['~ mount /a.ogg name: "" → "x → y"'],
        ),
        (
            'sources = ["bob"]',
            'sources = ["alice"]',
            ['~ mount /b.ogg sources: ["bob"] → ["alice"]'],
        ),
        ('["bob"]', '["bob"]\n[links]\nchannels = 1', ["~ links.channels: 2 → 1"]),
        (
            '["bob"]',
            '["bob"]\n[icecast]\nhost = "h"',
            [
                '+ icecast.host = "h"',
                "+ icecast.port = 8000",
                "+ icecast.tls = false",
                '+ icecast.source_user = "source"',
            ],
        ),
    ],
)
def test_a_change_is_a_line(old: str, new: str, lines: list[str]) -> None:
    assert old in BEFORE
    before = parse_spec(BEFORE).spec
    after = parse_spec(BEFORE.replace(old, new, 1)).spec
    assert list(difference(before, after)) == lines


def test_the_primary_mount_may_move() -> None:
    spec = parse_spec(BEFORE).spec
    turned = replace(spec, mounts=spec.mounts[::-1])
    line = "~ order of mounts: /a.ogg, /b.ogg → /b.ogg, /a.ogg"
    assert difference(spec, turned) == (line,)
