"""The ``[health]`` table, with what it gets wrong."""

import pytest

from sessiond.core.configfile import HostDefaults, parse_config
from sessiond.core.healthfile import HealthConfig
from sessiond.core.hearing import SilenceRule
from sessiond.core.mistakes import BadFile
from sessiond.units import Decibels, Seconds

DEFAULTS = HostDefaults(host_name="alice", state_dir="/x", advertise="192.0.2.1")


def test_without_a_table_nothing_is_served() -> None:
    assert parse_config("", DEFAULTS).health == HealthConfig(listen="")


def test_every_key() -> None:
    text = """[health]
listen = "127.0.0.1:7780"
silent_below_db = -45.5
silent_after_s = 20
"""
    rule = SilenceRule(below_db=Decibels(-45.5), after=Seconds(20))
    wanted = HealthConfig(listen="127.0.0.1:7780", silence=rule)
    assert parse_config(text, DEFAULTS).health == wanted


@pytest.mark.parametrize(
    ("line", "must"),
    [
        ('listen = "7780"', "empty, or"),
        ("silent_below_db = 3", "from -100 to 0 dB"),
        ('silent_below_db = "x"', "from -100 to 0 dB"),
        ("silent_after_s = 0", "from 1 to 3600 s"),
        ("port = 7780", "port"),
    ],
)
def test_mistakes_are_named(line: str, must: str) -> None:
    with pytest.raises(BadFile) as found:
        parse_config(f"[health]\n{line}\n", DEFAULTS)
    assert must in str(found.value.mistakes[0])
