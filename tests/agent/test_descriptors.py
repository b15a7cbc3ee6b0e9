"""The limit of open files: raised as far as the system lets us, never lowered."""

import subprocess
import sys

import pytest

SHOW = """if True:
    import resource, sys
    from agent.adapters.descriptors import raise_limit
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
