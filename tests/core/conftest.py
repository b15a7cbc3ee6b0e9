"""What the pure core's tests need, or rather need not."""

import pytest


@pytest.fixture(autouse=True)
def nothing_leaks() -> None:
    """Look for nothing: the layers let the core start no thread and no process."""
