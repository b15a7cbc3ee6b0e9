"""System tests: real agents on hosts of their own, judged by ear."""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.jam import Jam, jamming

Jamming = Callable[..., Jam]


@pytest.fixture
def jam_of(tmp_path: Path) -> Iterator[Jamming]:
    """Open a jam of the musicians that the test names, as `jamming` does.

    After the test every agent must come to rest; then all of it goes.
    """
    with ExitStack() as jams:

        def opened(
            *musicians: str, studio: bool = True, far: Collection[str] = ()
        ) -> Jam:
            made = jamming(tmp_path, *musicians, studio=studio, far=far)
            jam = jams.enter_context(made)
            jams.callback(jam.settles)
            return jam

        yield opened


def unmarked() -> None:
    """Keep a module's shared programs from counting as its first test's leak."""
    os.environ.pop("PYTEST_CURRENT_TEST", None)
