import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sessiond.cli.main import run
from sessiond.core.mistakes import is_printable
from sessiond.core.specfile import parse_spec
from sessiond.core.stamped import Secrets, Stamp
from sessiond.errors import Refused, Unavailable
from sessiond.units import HostId
from tests.cli import pictures
from tests.cli.fakeagent import FakeAgent

Capture = pytest.CaptureFixture[str]
SPEC = parse_spec(pictures.FILE).spec
ALICE, BOB, CAROL = pictures.STAMPED.members
ALL_THERE = replace(
    pictures.STAMPED, members=(ALICE, BOB, replace(CAROL, id=HostId("c" * 32)))
)
STRANGERS = replace(
    pictures.STAMPED, members=(ALICE, replace(BOB, id=None, address=None), CAROL)
)


@pytest.mark.parametrize(
    ("command", "asked", "said"),
    [
        (
            "gain friday-jam /mix.ogg bob -6",
            ("gain", "friday-jam", "/mix.ogg", "bob", -6.0),
            "bob is at -6 dB on /mix.ogg; friday-jam is now at 3.3.",
        ),
        (
            "gain friday-jam /mix.ogg bob -inf",
            ("gain", "friday-jam", "/mix.ogg", "bob", float("-inf")),
            "bob is at -inf dB on /mix.ogg; friday-jam is now at 3.3.",
        ),
        (
            "gain friday-jam /-x.mp3 bob +1.5",
            ("gain", "friday-jam", "/-x.mp3", "bob", 1.5),
            "bob is at +1.5 dB on /-x.mp3; friday-jam is now at 3.3.",
        ),
        ("mute", ("mute", None, True), "This host is muted."),
        ("mute bob", ("mute", "bob", True), "bob is muted."),
        ("unmute", ("mute", None, False), "This host is heard again."),
        ("unmute bob", ("mute", "bob", False), "bob is heard again."),
        ("leave", ("leave",), "This host has left its session."),
        ("resume", ("resume",), "This host goes on with its session."),
        (
            "handover friday-jam",
            ("handover", "friday-jam", None),
            "bob broadcasts friday-jam now.",
        ),
        (
            "handover friday-jam carol",
            ("handover", "friday-jam", "carol"),
            "carol broadcasts friday-jam now.",
        ),
        ("stop friday-jam", ("stop", "friday-jam"), "friday-jam is stopped."),
    ],
)
def test_one_call_one_sentence(
    agent: FakeAgent,
    capsys: Capture,
    command: str,
    asked: tuple[object, ...],
    said: str,
) -> None:
    assert run(command.split(), agent.operator()) == 0
    assert agent.asked == [asked]
    assert capsys.readouterr().out == f"{said}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["gain", "friday-jam", "mix.ogg", "bob", "-6"],
        ["gain", "friday-jam", "/mix.ogg", "Bob", "-6"],
        ["gain", "friday-jam", "/mix.ogg", "bob", "loud"],
        ["gain", "friday-jam", "/mix.ogg", "bob", "25"],
        ["gain", "friday-jam", "/mix.ogg", "bob", "nan"],
        ["gain", "friday-jam", "/mix.ogg", "bob"],
        ["gain", "friday-jam", "/mix.ogg", "bob", "1", "2"],
        ["mute", "bo b"],
        ["mute", "bob\n"],
        ["mute", "-bob"],
        ["handover", "friday-jam", "@"],
        ["stop"],
        ["stop", ""],
        ["leave", "bob"],
        ["create"],
        ["create", "f", "--wait", "-1"],
        ["create", "f", "--wait", "1e9"],
    ],
)
def test_bad_arguments_are_refused(
    agent: FakeAgent, capsys: Capture, arguments: list[str]
) -> None:
    assert run(arguments, agent.operator()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert agent.asked == []


class TestCreate:
    def test_says_what_happens_until_the_mounts_are_live(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        agent.pictures = (pictures.FORMING, pictures.FORMING, pictures.LIVE)
        agent.stays = True
        assert run(["create", str(file)], agent.operator()) == 0
        assert agent.asked == [
            ("create", SPEC, Secrets()),
            ("invite", "friday-jam", "host"),
            ("watch", "friday-jam"),
        ]
        assert capsys.readouterr().out.splitlines() == [
            "friday-jam is created, at 3.2.",
            "carol is missing; the session waits.",
            "Run this on carol; it is good once, within 15 minutes:",
            f"  sessiond join '{pictures.LINK}'",
            "alice is alive",
            "bob is gone",
            "carol is gone",
            "link alice – bob is connecting",
            "link alice – carol is down",
            "/mix.ogg is down",
            "bob is alive",
            "alice is leader",
            "link alice – bob is up",
            "/mix.ogg is live at http://192.168.1.20:8000/mix.ogg",
            "Listen: http://192.168.1.20:8000/mix.ogg",
            "carol is missing; the session waits.",
        ]

    def test_what_others_wrote_does_not_steer_the_terminal(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        (mount,) = pictures.LIVE.mounts
        odd = replace(mount, url="http://a/\x9b2J\u202e")
        agent.pictures = (replace(pictures.LIVE, mounts=(odd,)),)
        assert run(["create", str(file)], agent.operator()) == 0
        out = capsys.readouterr().out
        assert "/mix.ogg is live at http://a/\ufffd2J\ufffd\n" in out
        assert all(map(is_printable, out.split("\n")))

    def test_draws_on_a_terminal(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        agent.pictures = (pictures.FORMING, pictures.LIVE)
        assert run(["create", str(file)], agent.operator(on_terminal=True)) == 0
        assert "vorbis 128" in capsys.readouterr().out

    def test_without_mounts_the_links_of_those_present_must_be_up(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        agent.pictures = (pictures.WITHOUT_MOUNTS, pictures.JAMMING)
        agent.stays = True
        assert run(["create", str(file)], agent.operator()) == 0
        assert "link alice – bob is up" in capsys.readouterr().out

    def test_does_not_wait_with_wait_0(self, agent: FakeAgent, file: Path) -> None:
        assert run(["create", str(file), "--wait", "0"], agent.operator()) == 0
        assert [call[0] for call in agent.asked] == ["create", "invite"]

    def test_a_session_whose_hosts_are_all_there_needs_no_link(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        agent.running = replace(pictures.STAMPED, members=pictures.STAMPED.members[:2])
        assert run(["create", str(file), "--wait", "0"], agent.operator()) == 0
        assert [call[0] for call in agent.asked] == ["create"]
        assert capsys.readouterr().out == "friday-jam is created, at 3.2.\n"

    def test_each_host_has_a_link_and_the_first_a_code(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        agent.running = STRANGERS
        operator = agent.operator(on_terminal=True)
        assert run(["create", str(file), "--wait", "0"], operator) == 0
        out = capsys.readouterr().out
        assert out.count("sessiond join 'jam://") == 2
        assert out.count("Run this on bob") == out.count("Run this on carol") == 1
        assert "bob's as a code; sessiond invite shows another:\n█████" in out

    def test_as_a_document(self, agent: FakeAgent, file: Path, capsys: Capture) -> None:
        agent.pictures, agent.stays = (pictures.FORMING, pictures.LIVE), True
        operator = agent.operator(on_terminal=True)
        assert run(["create", str(file), "--json"], operator) == 0
        assert json.loads(capsys.readouterr().out) == {
            "session": "friday-jam",
            "stamp": {"term": 3, "revision": 2, "edit": 0},
            "missing": ["carol"],
            "join": pictures.LINK,
            "invitations": {"carol": pictures.LINK},
        }

    def test_a_document_of_what_came_to_nothing(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        agent.pictures, agent.running = (pictures.FORMING,), ALL_THERE
        assert run(["create", str(file), "--json"], agent.operator()) == 3
        document = json.loads(capsys.readouterr().out)
        assert (document["missing"], document["join"]) == ([], None)

    def test_what_keeps_a_link_from_being_made_is_told_and_no_more(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        agent.running = STRANGERS
        agent.errors["invite"] = Unavailable("Nobody leads.")
        assert run(["create", str(file), "--wait", "0"], agent.operator()) == 0
        captured = capsys.readouterr()
        assert captured.err == (
            "warning: No join link: Nobody leads.\n"
            "hint: Try again with sessiond invite friday-jam.\n"
        )
        assert "created" in captured.out
        assert "jam://" not in captured.out

    @pytest.mark.parametrize("stays", [True, False])
    def test_time_that_runs_out_is_3(
        self, agent: FakeAgent, file: Path, capsys: Capture, stays: bool
    ) -> None:
        agent.pictures, agent.stays = (pictures.FORMING,), stays
        code = run(["create", str(file), "--wait", "0.1"], agent.operator())
        assert code == 3
        assert capsys.readouterr().err == (
            "error: friday-jam is not as asked after 0.1 s: /mix.ogg is down.\n"
            "hint: It goes on forming; look again with sessiond status friday-jam.\n"
        )

    def test_silence_is_3(self, agent: FakeAgent, file: Path, capsys: Capture) -> None:
        agent.pictures, agent.stays = (), True
        assert run(["create", str(file), "--wait", "0.1"], agent.operator()) == 3
        assert "nothing is heard of it" in capsys.readouterr().err

    def test_ctrl_c_is_130(self, agent: FakeAgent, file: Path) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        agent.pictures, agent.after_pictures = (pictures.FORMING,), interrupt
        assert run(["create", str(file)], agent.operator()) == 130

    def test_passwords_go_with_it(
        self, agent: FakeAgent, file: Path, tmp_path: Path
    ) -> None:
        file.write_text(
            'name = "friday-jam"\nhosts = ["alice"]\n[icecast]\nhost = "h"\n'
            'source_password_file = "source"\nadmin_password_file = "admin"\n'
            '[[mount]]\npath = "/a.ogg"\nsource_password_file = "a"\n'
        )
        for name, content in [("source", "s#@^%"), ("admin", "-x\n"), ("a", " 'é\" ")]:
            (tmp_path / name).write_text(content)
        assert run(["create", str(file)], agent.operator()) == 3
        (_, _, secrets), *_ = agent.asked
        expected = Secrets(source="s#@^%", admin="-x", mounts={"/a.ogg": " 'é\" "})  # type: ignore[dict-item]
        assert secrets == expected

    def test_a_mount_without_a_password_is_refused(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        file.write_text(pictures.FILE + '[icecast]\nhost = "h"\n')
        assert run(["create", str(file)], agent.operator()) == 2
        assert "/mix.ogg" in capsys.readouterr().err
        assert agent.asked == []

    def test_the_agents_word_is_final(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        agent.error = Refused("bob is in the session sunday.", "Stop it first.")
        assert run(["create", str(file)], agent.operator()) == 2
        assert "sunday" in capsys.readouterr().err


class TestApply:
    def test_a_file_of_the_running_stamp_needs_no_question(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        text = pictures.FILE.replace("\n\n", '\nbased_on = "3.2"\n\n', 1)
        file.write_text(text + "bitrate_kbps = 96\n")
        assert run(["apply", str(file)], agent.operator()) == 0
        assert [call[0] for call in agent.asked] == ["spec", "apply"]
        assert agent.asked[1][2:] == (Secrets(), pictures.STAMP)
        assert capsys.readouterr().out.splitlines() == [
            "~ mount /mix.ogg bitrate_kbps: 128 → 96",
            "friday-jam is now at 3.3.",
        ]

    def test_a_file_of_another_stamp_is_refused(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        file.write_text('based_on = "3.1"\n' + pictures.FILE)
        assert run(["apply", str(file), "--yes"], agent.operator()) == 2
        assert "based on 3.1, but friday-jam is at 3.2" in capsys.readouterr().err
        assert [call[0] for call in agent.asked] == ["spec"]

    def test_no_difference_is_no_change(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        assert run(["apply", str(file)], agent.operator()) == 0
        assert [call[0] for call in agent.asked] == ["spec"]
        assert "already" in capsys.readouterr().out

    def test_a_script_needs_yes(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        file.write_text(pictures.FILE + "bitrate_kbps = 96\n")
        assert run(["apply", str(file)], agent.operator()) == 2
        assert "--yes" in capsys.readouterr().err
        assert [call[0] for call in agent.asked] == ["spec"]
        assert run(["apply", str(file), "--yes"], agent.operator()) == 0
        assert agent.asked[-1][0] == "apply"

    @pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2), ("", 130)])
    def test_a_person_is_asked(
        self,
        agent: FakeAgent,
        file: Path,
        typed: Callable[[str], None],
        answer: str,
        code: int,
    ) -> None:
        file.write_text(pictures.FILE + "bitrate_kbps = 96\n")
        typed(answer)
        operator = replace(agent.operator(), can_answer=True)
        assert run(["apply", str(file)], operator) == code
        assert (agent.asked[-1][0] == "apply") is (code == 0)

    def test_new_passwords_are_a_change(
        self, agent: FakeAgent, file: Path, tmp_path: Path, capsys: Capture
    ) -> None:
        (tmp_path / "new").write_text("x\n")
        file.write_text(pictures.FILE + 'source_password_file = "new"\n')
        assert run(["apply", str(file), "--yes"], agent.operator()) == 0
        assert "~ passwords" in capsys.readouterr().out
        assert agent.asked[1][2] == Secrets(mounts={pictures.MIX: "x"})

    def test_a_new_host_gets_a_link(
        self, agent: FakeAgent, file: Path, capsys: Capture
    ) -> None:
        file.write_text(pictures.FILE.replace('"carol"]', '"carol", "dave"]'))
        assert run(["apply", str(file), "--yes"], agent.operator()) == 0
        assert agent.asked[-1] == ("invite", "friday-jam", "host")
        assert "Run this on dave" in capsys.readouterr().out

    def test_the_change_is_based_on_what_was_shown(
        self, agent: FakeAgent, file: Path
    ) -> None:
        file.write_text(pictures.FILE + "bitrate_kbps = 96\n")
        run(["apply", str(file), "--yes"], agent.operator())
        stamp: Stamp = agent.asked[-1][3]
        assert stamp == pictures.STAMP
