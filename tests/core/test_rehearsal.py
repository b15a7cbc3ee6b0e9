from sessiond.core.rehearsal import STATION_PORT, rehearse
from sessiond.core.specfile import parse_spec

HEAD = 'name = "jam"\nhosts = ["alice", "bob", "carol"]\n'
MOUNT = '[[mount]]\npath = "/mix.ogg"\n'


def names(text: str) -> dict[str, set[str]]:
    plans = rehearse(parse_spec(text).spec)
    return {host: {proc.name for proc in plan.procs} for host, plan in plans.items()}


def test_the_preferred_host_broadcasts_and_the_first_is_the_station() -> None:
    procs = names(HEAD + '[broadcast]\nprefer = ["bob"]\n' + MOUNT)
    assert "source-mix.ogg" in procs["bob"]
    assert "source-mix.ogg" not in procs["carol"]
    assert "icecast" in procs["alice"]
    assert list(procs) == ["alice", "bob", "carol"]


def test_without_mounts_nobody_mixes_or_feeds() -> None:
    assert names(HEAD)["alice"] >= {"link-bob", "link-carol"}
    assert "mixdown" not in names(HEAD)["alice"]


def test_somebodys_icecast_is_not_run_by_us() -> None:
    text = HEAD + '[icecast]\nhost = "radio.local"\nport = 8010\n' + MOUNT
    plans = rehearse(parse_spec(text).spec)
    assert all(plan.station is None for plan in plans.values())
    (order,) = plans[parse_spec(text).spec.host_names[0]].sources.values()
    assert (order.address, order.port) == ("radio.local", 8010)
    assert STATION_PORT == 8000


def test_one_host_alone_is_planned_too() -> None:
    assert (
        "source-mix.ogg" in names('name = "solo"\nhosts = ["alice"]\n' + MOUNT)["alice"]
    )
