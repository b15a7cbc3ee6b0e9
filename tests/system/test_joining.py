"""Who belongs: hosts that come in by a link alone, people on other computers, removal.

Nobody is of a studio here, and no agent announces itself or has a peer: what brings
two together is the link.
"""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from sessiond.cli.lab import Program
from sessiond.cli.person import Belongings
from tests.support.ear import tones
from tests.support.eventually import aeventually, eventually, steadily
from tests.support.jackhost import phones
from tests.support.jam import SESSION, Jam, Said, as_person, expected
from tests.support.written import open_icecast, refuses, written
from tests.system.conftest import Jamming

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

MIX = {"/mix.opus": ("*",)}
ALONE = ("alice",)
DUO = ("alice", "bob")
TRIO = ("alice", "bob", "carol")
QUARTET = (*TRIO, "dave")


def create(jam: Jam, *hosts: str) -> Said:
    """Create the session through Alice's agent; it is on the air on return."""
    file = written(jam, hosts, MIX)
    open_icecast(jam, file)
    created = jam.operate("alice", "create", str(file), "--json")
    assert created.code == 0, created
    return created


def invite(jam: Jam, name: str, *role: str) -> str:
    """Return a new link, as a script gets it from a host's agent."""
    said = jam.operate(name, "invite", SESSION, *role)
    assert said.code == 0, said
    (link,) = said.out.splitlines()
    return link


def seen_by(jam: Jam, name: str) -> set[str]:
    said = jam.operate(name, "hosts", "--wait", "1", "--json")
    assert said.code == 0, said
    return {host["name"] for host in said.document["hosts"]}


def members(jam: Jam, asked: str) -> dict[str, str]:
    """Return each member's state as a host sees it."""
    return {host["name"]: host["state"] for host in jam.status(asked)["hosts"]}


def together(jam: Jam, *hosts: str) -> bool:
    """Tell that each of these sees all of them alive, and every link up."""
    for name in hosts:
        status = jam.status(name)
        states = {host["name"]: host["state"] for host in status["hosts"]}
        assert states == dict.fromkeys(hosts, "alive"), (name, states)
        links = {link["state"] for link in status["links"]}
        assert links == {"up"}, (name, links)
    return True


async def test_two_networks_that_share_no_multicast_are_joined_by_a_link(
    jam_of: Jamming,
) -> None:
    jam = jam_of(*TRIO, studio=False, far=("bob",))
    jam.start_all()
    for name in TRIO:
        assert seen_by(jam, name) == {name}
    created = create(jam, *DUO)
    assert created.document["missing"] == ["bob"]
    link: str = created.document["join"]
    host = jam.lab.host("alice")
    assert link.startswith(f"jam://{host.address}:7701/{SESSION}?key=")
    # Who has not joined is asked nothing, whatever the file says.
    assert jam.operate("bob", "status").code == 2
    steadily(lambda: not jam.ours_on("bob"), during=2)

    joined = jam.operate("bob", "join", link)
    assert (joined.code, joined.err) == (0, ""), joined
    assert joined.out.startswith(f"This host is in {SESSION} now, at ")
    eventually(lambda: together(jam, *DUO), within=20)
    # The link was for one.
    assert refuses(jam.operate("carol", "join", link), 2, "used already")

    # Any member lets others in, and a name that was in no file is appended.
    eventually(lambda: invite(jam, "bob"), within=10)
    joined = jam.operate("carol", "join", invite(jam, "bob"))
    assert joined.code == 0, joined
    eventually(lambda: together(jam, *TRIO), within=20)
    spec = jam.operate("carol", "spec", SESSION, "--json").document["spec"]
    assert spec["hosts"] == list(TRIO)

    async def on_the_air() -> bool:
        sines = await jam.sines_on("/mix.opus")
        assert sines == expected(TRIO), sorted(sines)
        return True

    await aeventually(on_the_air, within=30)

    async def in_the_headphones() -> bool:
        sines = tones(await phones(jam.lab.host("bob"), 1.5))
        assert sines == expected({"alice", "carol"}), sorted(sines)
        return True

    await aeventually(in_the_headphones, within=20)


def test_a_join_survives_the_host_that_made_the_link(jam_of: Jamming) -> None:
    jam = jam_of(*QUARTET, studio=False)
    jam.start_all()
    create(jam, "alice")
    for name in ("bob", "carol"):
        assert jam.operate(name, "join", invite(jam, "alice")).code == 0
    eventually(lambda: together(jam, *TRIO), within=20)

    def names_three() -> str:
        link = invite(jam, "alice")
        assert link.partition("?")[0].count(":7701") == 3, link
        return link

    # The others can answer once they have what invitations are made of.
    link = eventually(names_three, within=10)
    jam.lab.host("alice").kill_all()

    def joined() -> bool:
        said = jam.operate("dave", "join", link)
        assert said.code == 0, said
        return True

    # Without a leader nobody is let in; another follows Alice within seconds.
    eventually(joined, within=30)
    eventually(lambda: members(jam, "dave").get("bob") == "alive", within=20)
    jam.start_agent("alice")
    jam.start_audio("alice")
    jam.await_agents(["alice"])
    eventually(lambda: together(jam, *QUARTET), within=30)


def places(jam: Jam) -> object:
    return jam.operate("alice", "spec", SESSION, "--json").document["members"]


def test_bad_links_change_nothing(jam_of: Jamming) -> None:
    jam = jam_of(*DUO, studio=False)
    jam.start_all()
    create(jam, "alice")
    before = places(jam)
    link = invite(jam, "alice")
    other = invite(jam, "alice")
    token, secret = link.rpartition("=")[2].split(".")
    wrong_secret = link.replace(secret, other.rpartition(".")[2])
    key = link.partition("?key=")[2].partition("&")[0]
    wrong_key = link.replace(key, "0" * 32)
    expired = link.replace(token, f"{token[0]}00000001{token[9:]}")
    for bad, word in (
        (link.partition("&")[0], "single quotes"),
        (wrong_key, "Another computer answers"),
        (expired, ""),
        (link.replace(f"/{SESSION}?", "/other?"), ""),
        *[(wrong_secret, "")] * 6,
    ):
        assert refuses(jam.operate("bob", "join", bad), 2, word), bad
    # Five wrong proofs burn even the right one.
    assert refuses(jam.operate("bob", "join", link), 2, "burnt")
    assert jam.operate("bob", "status").code == 2
    assert not jam.ours_on("bob")
    assert places(jam) == before
    nowhere = other.replace(jam.lab.host("alice").address, jam.station.address)
    assert refuses(jam.operate("bob", "join", nowhere), 3, jam.station.address)
    assert jam.operate("bob", "join", other).code == 0
    eventually(lambda: together(jam, *DUO), within=20)


def looking(jam: Jam, who: str, identity: Path, link: str) -> str:
    """Join as a person on a host that has no agent; returns where to look then."""
    said = jam.personally(who, identity, "join", link, "--as", identity.name)
    assert said.code == 0, said
    words = said.out.splitlines()[-1].split()
    return words[words.index("--agent") + 1]


def with_all_but_the_key(person: Path, folder: Path) -> Path:
    """Return the identity of somebody who knows all that a person does."""
    shutil.copytree(person, folder)
    (folder / "identity.key").unlink()
    own = Belongings(folder)
    assert own.identity_for("stranger") != Belongings(person).identity()
    return folder


def test_people_on_another_computer(jam_of: Jamming, tmp_path: Path) -> None:
    jam = jam_of(*DUO, studio=False)
    jam.start_agent("alice")
    jam.start_audio("alice")
    jam.await_agents(ALONE)
    create(jam, "alice")
    host = jam.lab.host("alice")
    ann, vic, eve = (tmp_path / name for name in ("ann", "vic", "eve"))

    where = looking(jam, "bob", ann, invite(jam, "alice", "--operator"))
    assert where == f"{host.address}:7700"
    assert where == looking(jam, "bob", vic, invite(jam, "alice", "--viewer"))

    def asks(who: Path, *words: str) -> Said:
        return jam.personally("bob", who, "--agent", where, *words)

    for person in (ann, vic):
        said = asks(person, "status", "--json")
        assert said.code == 0, said
        assert said.document["session"] == SESSION
        assert asks(person, "spec", SESSION).code == 0
    fader = f"gain {SESSION} /mix.opus alice -3"
    for command in (fader, "mute alice", "unmute alice", "hosts", "invite --viewer"):
        assert asks(ann, *command.split()).code == 0, command
        assert refuses(asks(vic, *command.split()), 2, "viewer"), command
    for command in (f"stop {SESSION}", f"remove {SESSION} ann", f"handover {SESSION}"):
        assert refuses(asks(vic, *command.split()), 2, "viewer"), command
    # Whether a computer takes part is for its owner to say.
    for command in ("leave", "resume", f"join {invite(jam, 'alice')}"):
        assert refuses(asks(ann, *command.split()), 2, "operator"), command

    # Eve knows where, and whom to expect there; nobody has let her in.
    assert refuses(asks(eve, "status"), 2, "no way in")
    stranger = with_all_but_the_key(vic, tmp_path / "stranger")
    assert refuses(asks(stranger, "status"), 3, where)
    link = invite(jam, "alice", "--viewer")
    looking(jam, "bob", eve, link)
    assert jam.operate("alice", "remove", SESSION, "eve").code == 0
    assert refuses(asks(eve, "status"), 3, where)
    eventually(lambda: jam.status("alice")["phase"] == "on-air", within=10)
    # Not even on the very computer: its address gives no right.
    for who, code in ((tmp_path / "none", 2), (stranger, 3)):
        said = jam.personally("alice", who, "--agent", where, "status")
        assert refuses(said, code, where), said
    assert asks(vic, "status").code == 0


def watch(jam: Jam, on: str, identity: Path, where: str) -> Program:
    """Start a watch as a person; its first picture has come on return."""
    argv = as_person(identity, "--agent", where, "watch", "--json")
    program = jam.lab.host(on).spawn(argv, log=f"watch-{identity.name}")
    eventually(lambda: pictures(program), within=10)
    return program


def pictures(program: Program) -> list[str]:
    # The last line may still be on its way.
    lines = program.text.rpartition("\n")[0].splitlines()
    return [json.loads(line)["phase"] for line in lines if line.startswith("{")]


def is_shut_out(jam: Jam, identity: Path, where: str) -> bool:
    """Tell that an agent hangs up on a person."""
    said = jam.personally("carol", identity, "--agent", where, "status")
    return refuses(said, 3, where)


def test_removal_ends_connections_that_are_open(
    jam_of: Jamming, tmp_path: Path
) -> None:
    jam = jam_of(*TRIO, studio=False)
    for name in DUO:
        jam.start_agent(name)
        jam.start_audio(name)
    jam.await_agents(DUO)
    create(jam, "alice")
    assert jam.operate("bob", "join", invite(jam, "alice")).code == 0
    eventually(lambda: together(jam, *DUO), within=20)
    assert ":4464" in jam.lab.host("alice").run(("ss", "-Hlun"))
    vic, stays = tmp_path / "vic", tmp_path / "stays"
    watches = {}
    for person in (vic, stays):
        where = looking(jam, "carol", person, invite(jam, "alice", "--viewer"))
        watches[person] = watch(jam, "carol", person, where)

    assert jam.operate("bob", "remove", SESSION, "vic").code == 0
    assert eventually(lambda: watches[vic].exit_code, within=5) == 2
    assert "error: This agent does not know who calls." in watches[vic].text
    assert watches[stays].exit_code is None
    for name in DUO:
        address = f"{jam.lab.host(name).address}:7700"
        eventually(partial(is_shut_out, jam, vic, address), within=5)

    # A host that is removed ends what it runs, and nobody sends it anything more.
    assert jam.operate("alice", "remove", SESSION, "bob").code == 0
    eventually(lambda: not jam.ours_on("bob"), within=15)
    eventually(lambda: "jacktrip" not in jam.ours_on("alice"), within=5)
    assert ":4464" not in jam.lab.host("alice").run(("ss", "-Hlun"))
    fader = ("gain", SESSION, "/mix.opus", "alice", "-3")
    for command in (fader, ("status",), ("spec", SESSION), ("watch", "--json")):
        assert refuses(jam.operate("bob", *command), 2, SESSION), command
    eventually(lambda: set(members(jam, "alice")) == {"alice"}, within=10)
    seen = len(pictures(watches[stays]))
    eventually(lambda: len(pictures(watches[stays])) > seen, within=10)
    assert jam.operate("bob", "join", invite(jam, "alice")).code == 0
    eventually(lambda: together(jam, *DUO), within=20)
