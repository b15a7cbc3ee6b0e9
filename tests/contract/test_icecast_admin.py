"""The admin calls of the door to a station, against a real Icecast and the fake."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from sessiond.core.onair import MountSeen
from sessiond.errors import Broken, Refused, Unavailable
from sessiond.units import MountPath
from tests.support.airs import HIDDEN, LABEL, PRIMARY, Air, real_air, some_air
from tests.support.eventually import aeventually
from tests.support.icecast import asking, source_gate

pytestmark = pytest.mark.real


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that Icecast's own user can look into; pytest's are private."""
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        made.chmod(0o755)
        yield made


KINDS: Final = ("fake", "real")


@pytest.fixture(params=KINDS)
async def air(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Air]:
    """Make a station with a rendered configuration."""
    async with some_air(request.param, folder, foreign=False) as made:
        yield made


@pytest.fixture(params=KINDS)
async def foreign(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Air]:
    """Make a station that knows nothing of our mounts."""
    async with some_air(request.param, folder, foreign=True) as made:
        yield made


@pytest.fixture(params=[(kind, foreign) for kind in KINDS for foreign in (False, True)])
async def any_air(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Air]:
    """Make a station of either kind."""
    kind, foreign = request.param
    async with some_air(kind, folder, foreign=foreign) as made:
        yield made


# --- what tests ask -------------------------------------------------------------


async def mount(air: Air, path: MountPath) -> MountSeen | None:
    return await air.door.mount(air.station, path, user="source", password="hack")


async def shown(air: Air, path: MountPath) -> MountSeen:
    """Return a mount once it has a source; it shows a moment after the PUT's 200."""

    async def seen() -> MountSeen | None:
        return await mount(air, path)

    found = await aeventually(seen, within=3)
    assert found is not None
    return found


async def counted(air: Air, path: MountPath, listeners: int) -> None:
    async def so_many() -> bool:
        seen = await mount(air, path)
        return seen is not None and seen.listeners == listeners

    await aeventually(so_many, within=3)


async def kill(air: Air, path: MountPath, stream_start: str | None = None) -> None:
    """Kill the very source that is there, or the one that is named."""
    judged = stream_start or (await shown(air, path)).stream_start
    await air.door.kill_source(
        air.station, path, user="source", password="hack", stream_start=judged
    )


async def move(air: Air, path: MountPath, to: MountPath) -> None:
    await air.door.move_listeners(air.station, path, to, user="source", password="hack")


async def set_fallback(air: Air, path: MountPath, fallback: MountPath) -> None:
    await air.door.set_fallback(
        air.station, path, fallback, user="source", password="hack"
    )


async def hears(last: Callable[[], MountPath | None], path: MountPath | None) -> None:
    await aeventually(lambda: last() == path, within=5)


# --- a mount --------------------------------------------------------------------


async def test_a_hidden_mount_is_seen_with_its_sources_password_only(air: Air) -> None:
    assert await mount(air, HIDDEN) is None
    await air.put(HIDDEN)
    seen = await shown(air, HIDDEN)
    assert seen.path == HIDDEN
    assert seen.description == LABEL
    assert seen.stream_start
    assert await air.door.mounts(air.station) == ()
    await air.listen(HIDDEN)
    await counted(air, HIDDEN, 1)
    await air.drop(HIDDEN)

    async def gone() -> bool:
        return await mount(air, HIDDEN) is None

    await aeventually(gone, within=3)


# --- killing --------------------------------------------------------------------


async def test_a_killed_sources_listeners_hear_the_standby_and_come_back(
    air: Air,
) -> None:
    await air.put(HIDDEN)
    await air.put(PRIMARY)
    last = await air.listen(PRIMARY)
    await hears(last, PRIMARY)
    await kill(air, PRIMARY)
    await hears(last, HIDDEN)
    # Nobody is called back before the mount has a page to play.
    await air.put(PRIMARY)
    await shown(air, PRIMARY)
    await counted(air, HIDDEN, 1)
    await move(air, HIDDEN, PRIMARY)
    await hears(last, PRIMARY)
    await counted(air, HIDDEN, 0)


async def test_without_a_standby_the_listeners_of_a_killed_source_are_dropped(
    air: Air,
) -> None:
    await air.put(PRIMARY)
    last = await air.listen(PRIMARY)
    await kill(air, PRIMARY)
    await hears(last, None)


async def test_killing_on_a_free_mount_is_fine_and_leaves_its_fallback_alone(
    air: Air,
) -> None:
    await air.put(HIDDEN)
    await kill(air, PRIMARY, "2026-11-22T09:22:17+0000")
    await shown(air, HIDDEN)


@pytest.mark.parametrize("path", [PRIMARY, HIDDEN])
async def test_another_source_than_the_judged_one_is_not_killed(
    air: Air, path: MountPath
) -> None:
    await air.put(path)
    seen = await shown(air, path)
    with pytest.raises(Refused, match="Another source has"):
        await kill(air, path, "2026-11-22T09:22:17+0000")
    assert await shown(air, path) == seen


async def test_a_hidden_source_is_killed_too(air: Air) -> None:
    await air.put(HIDDEN)
    await kill(air, HIDDEN)
    await air.put(HIDDEN)


async def test_killing_twice_at_once_is_as_good_as_once(air: Air) -> None:
    await air.put(PRIMARY)
    start = (await shown(air, PRIMARY)).stream_start
    await asyncio.gather(*(kill(air, PRIMARY, start) for _ in range(4)))


# --- moving ---------------------------------------------------------------------


async def test_listeners_are_moved_as_soon_as_the_destination_has_a_source(
    foreign: Air,
) -> None:
    await foreign.put(HIDDEN)
    last = await foreign.listen(HIDDEN)
    await foreign.put(PRIMARY)
    await move(foreign, HIDDEN, PRIMARY)
    await hears(last, PRIMARY)
    await foreign.drop(HIDDEN)
    await counted(foreign, PRIMARY, 1)


async def test_listeners_are_not_moved_to_where_no_source_is(any_air: Air) -> None:
    await any_air.put(HIDDEN)
    last = await any_air.listen(HIDDEN)
    with pytest.raises(Unavailable, match="has no source"):
        await move(any_air, HIDDEN, PRIMARY)
    with pytest.raises(Unavailable, match="has no source"):
        await move(any_air, PRIMARY, HIDDEN)
    await hears(last, HIDDEN)


# --- fallbacks ------------------------------------------------------------------


async def test_a_fallback_set_at_run_time_holds_as_long_as_the_source(
    foreign: Air,
) -> None:
    with pytest.raises(Unavailable, match="has no source"):
        await set_fallback(foreign, PRIMARY, HIDDEN)
    await foreign.put(PRIMARY)
    await set_fallback(foreign, PRIMARY, HIDDEN)
    await foreign.put(HIDDEN)
    last = await foreign.listen(PRIMARY)
    await kill(foreign, PRIMARY)
    await hears(last, HIDDEN)
    # Without override they stay, and they must be moved before the hidden mount ends.
    await foreign.put(PRIMARY)
    await shown(foreign, PRIMARY)
    await counted(foreign, HIDDEN, 1)
    await move(foreign, HIDDEN, PRIMARY)
    await hears(last, PRIMARY)
    # It was the first source's fallback, not the mount's.
    await foreign.drop(PRIMARY)
    await hears(last, None)


async def test_a_hidden_mount_hands_its_listeners_to_the_primary(any_air: Air) -> None:
    await any_air.put(HIDDEN)
    await any_air.put(PRIMARY)
    await set_fallback(any_air, HIDDEN, PRIMARY)
    last = await any_air.listen(HIDDEN)
    await any_air.drop(HIDDEN)
    await hears(last, PRIMARY)


async def test_setting_what_the_configuration_has_changes_nothing(air: Air) -> None:
    await air.put(HIDDEN)
    await air.put(PRIMARY)
    await set_fallback(air, PRIMARY, HIDDEN)
    await set_fallback(air, HIDDEN, PRIMARY)
    last = await air.listen(PRIMARY)
    await air.drop(PRIMARY)
    await hears(last, HIDDEN)


async def test_two_mounts_that_fall_back_to_each_other_drop_nobody_into_a_loop(
    air: Air,
) -> None:
    await air.put(HIDDEN)
    await air.put(PRIMARY)
    last = await air.listen(PRIMARY)
    await air.drop(PRIMARY)
    await air.drop(HIDDEN)
    await hears(last, None)
    await air.put(PRIMARY)
    await counted(air, PRIMARY, 0)


# --- refusals -------------------------------------------------------------------


async def test_a_denied_call_says_what_was_denied(air: Air) -> None:
    await air.put(PRIMARY)
    start = (await shown(air, PRIMARY)).stream_start
    await air.deny()

    async def denied() -> str:
        try:
            await mount(air, PRIMARY)
        except Broken as e:
            return e.sentence
        return ""

    sentence = await aeventually(denied, within=8)
    assert "does not let the source's user source see /mix.mp3" in sentence
    with pytest.raises(Broken, match="let the source's user source end the source of"):
        await kill(air, PRIMARY, start)
    with pytest.raises(Broken, match="let the source's user source move the listeners"):
        await move(air, PRIMARY, HIDDEN)
    with pytest.raises(Broken, match="let the source's user source set the fallback"):
        await set_fallback(air, PRIMARY, HIDDEN)


async def test_a_station_that_does_not_answer_is_unavailable(air: Air) -> None:
    await air.put(PRIMARY)
    start = (await shown(air, PRIMARY)).stream_start
    await air.away()
    with pytest.raises(Unavailable, match="did not answer"):
        await kill(air, PRIMARY, start)
    with pytest.raises(Unavailable, match="did not answer"):
        await move(air, PRIMARY, HIDDEN)
    with pytest.raises(Unavailable, match="did not answer"):
        await set_fallback(air, PRIMARY, HIDDEN)


async def test_a_station_that_asks_others_about_sources_gives_them_no_rights(
    folder: Path,
) -> None:
    async with source_gate() as url, real_air(folder, asking(url)) as air:
        await air.put(PRIMARY)
        with pytest.raises(Broken, match="does not let the source's user source end"):
            await kill(air, PRIMARY, "any")


async def test_a_full_station_has_room_for_nobody(folder: Path) -> None:
    def small(configuration: str) -> str:
        before, _, rest = configuration.partition("<clients>")
        return f"{before}<clients>2</clients>{rest.partition('</clients>')[2]}"

    async with real_air(folder, small) as air:
        await air.put(PRIMARY)
        await air.listen(PRIMARY)
        # Icecast may close the connection before its words have been read.
        with pytest.raises(Unavailable, match=r"has no room|can't be reached"):
            await mount(air, PRIMARY)


async def test_a_limit_of_listeners_drops_nobody_at_a_takeover(folder: Path) -> None:
    def small(configuration: str) -> str:
        return configuration.replace("<max-listeners>800<", "<max-listeners>1<")

    async with real_air(folder, small) as air:
        await air.put(HIDDEN)
        await air.put(PRIMARY)
        await air.listen(HIDDEN)
        last = await air.listen(PRIMARY)
        await kill(air, PRIMARY)
        await hears(last, HIDDEN)
        await counted(air, HIDDEN, 2)
