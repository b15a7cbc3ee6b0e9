"""What becomes of a failed test where a machine is not always its own.

With ``--reruns`` a test that failed is played once more. It is played a third and a
fourth time only while the machine itself is to blame: others had its processors
during the play before. Each play is named and counted, and a failure says what share
of the machine was missing.
"""

import time
from collections.abc import Generator
from contextlib import suppress
from functools import partial
from typing import Final

import pytest

from tests.support.eventually import eventually
from tests.support.steal import ROBBED, StealWatch

_RERUNS: Final = 3

# The bad times last for tens of seconds: the next play waits for some calm, if there
# is any to be had. Some last for an hour, and nobody can wait for the end of these.
_CALM: Final = 0.1
_CALM_FOR: Final = 5.0
_CALM_WITHIN: Final = 60.0
_CALM_IN_ALL: Final = 240.0

_BEGAN: Final = pytest.StashKey[float]()
_MISSING: Final = "missing"


class Replays:
    """The plugin; `tests/conftest.py` registers it.

    Args:
        steal: Says what share of the machine is missing.
    """

    def __init__(self, steal: StealWatch | None = None) -> None:
        self._steal = steal or StealWatch()
        self._patience = _CALM_IN_ALL

    def pytest_sessionstart(self) -> None:
        self._steal.__enter__()

    def pytest_sessionfinish(self) -> None:
        self._steal.__exit__(None, None, None)

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Bound the plays, where more than one is asked for at all."""
        if not config.getoption("reruns"):
            return
        for item in items:
            again = partial(self._again, item)
            item.add_marker(pytest.mark.flaky(reruns=_RERUNS, condition=again))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Let a bad time pass before another play."""
        if _plays(item) > 1:
            began = time.monotonic()
            with suppress(AssertionError):
                eventually(self._is_calm, within=min(self._patience, _CALM_WITHIN))
            self._patience = max(0.0, self._patience - (time.monotonic() - began))
        item.stash[_BEGAN] = time.monotonic()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note with a failure how much of the machine was missing."""
        report = yield
        if report.failed:
            report.user_properties.append((_MISSING, self._missing(item)))
        return report

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Say of each failed play how much of the machine was missing."""
        plays = {"rerun": "a failed play", "failed": "the last", "error": "the last"}
        for outcome, play in plays.items():
            for report in terminalreporter.stats.get(outcome, ()):
                # A module that can't even be imported has a report without them.
                noted = dict(getattr(report, "user_properties", ()))
                share = noted.get(_MISSING, 0.0)
                # Down, so that a share below the limit never looks like one above.
                terminalreporter.write_line(
                    f"{report.nodeid}: in the worst second of {play} "
                    f"{int(100 * share)}% of the processors' time went to others"
                )

    def _again(self, item: pytest.Item) -> bool:
        """Tell whether a failed test is to be played once more."""
        return _plays(item) == 1 or self._missing(item) >= ROBBED

    def _missing(self, item: pytest.Item) -> float:
        return self._steal.worst_since(item.stash.get(_BEGAN, 0.0))

    def _is_calm(self) -> bool:
        return self._steal.worst_since(time.monotonic() - _CALM_FOR) < _CALM


def _plays(item: pytest.Item) -> int:
    """Return which play of a test this is; pytest-rerunfailures counts them."""
    return int(getattr(item, "execution_count", 1))
