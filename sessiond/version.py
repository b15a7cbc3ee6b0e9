"""The version that agents tell each other and that ``--version`` prints."""

from typing import Final

VERSION: Final = "0.1.0"
