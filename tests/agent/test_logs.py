"""What the agent writes down of a bug: where it was, and nothing that was in memory."""

import subprocess
import sys

MEETS_A_BUG = """if True:
    from agent.main import _note_fault, _set_up_logs

    def feeds(password):
        host = {"own": password}
        raise RuntimeError("a bug")

    _set_up_logs()
    try:
        feeds("-".join(("hush", "1234")))
    except RuntimeError as e:
        _note_fault("/sessiond.v1.AgentService/Apply", e)
"""


def test_a_bug_is_written_down_without_what_its_frames_held() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEETS_A_BUG], capture_output=True, text=True, check=True
    )
    written = done.stdout + done.stderr
    assert "a bug" in written
    assert "AgentService/Apply" in written
    # The frame is named, its variables are not.
    assert "feeds" in written
    assert "hush-1234" not in written
