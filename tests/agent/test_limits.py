"""The limits of this process: open files as far as it goes, and no core file."""

import subprocess
import sys

import pytest

SHOW = """if True:
    import resource, sys
    from agent.adapters.limits import raise_limit
    soft, hard, wanted = map(int, sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(raise_limit(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "limit"),
    [(256, 1024, 512), (256, 400, 400), (700, 1024, 700)],
)
def test_the_limit_is_raised_as_far_as_it_goes_and_never_lowered(
    soft: int, hard: int, limit: int
) -> None:
    words = map(str, (soft, hard, 512))
    done = subprocess.run(
        [sys.executable, "-c", SHOW, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(limit), str(limit), str(hard)]


def test_nothing_that_dies_writes_its_memory_into_a_file() -> None:
    show = """if True:
        import resource, subprocess
        from agent.adapters.limits import write_no_core
        write_no_core()
        print(*resource.getrlimit(resource.RLIMIT_CORE))
        subprocess.run(["sh", "-c", "ulimit -c; ulimit -Hc"], check=True)
    """
    done = subprocess.run(
        [sys.executable, "-u", "-c", show], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0"] * 4
