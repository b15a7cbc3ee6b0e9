"""What every row gets: a folder with a short name."""

from pathlib import Path

import pytest


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of this test; a Unix socket's whole path has 107 bytes.

    Two at a time (``-n 2``) each worker's folders lie one deeper.
    """
    return tmp_path_factory.mktemp("f")
