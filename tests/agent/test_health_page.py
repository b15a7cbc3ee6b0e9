"""The page for monitoring over real sockets: what it answers, and what it bears."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from agent.health_page import MOST_ASKERS, HealthPage
from agent.host import Host
from sessiond.core.configfile import AgentConfig
from sessiond.core.hearing import MountSound
from sessiond.core.observed import Observed
from sessiond.core.plan import HostPlan
from sessiond.core.status import Phase, SessionStatus
from sessiond.errors import Refused
from tests.core.examples import ALICE, setup
from tests.core.test_health import SOUND, STATUS, with_sound
from tests.core.test_stationplan import KEPT
from tests.support.eventually import aeventually
from tests.support.fakes import FakeClock, FakeStore
from tests.support.icecast import free_port
from tests.support.identities import identity_of

HOST = Host(
    config=AgentConfig(name=ALICE, state_dir="/state", advertise="10.0.0.1"),
    identity=identity_of(ALICE),
    setup=setup(ALICE),
    clock=FakeClock(),
    store=FakeStore(Path("/nowhere")),
)


@asynccontextmanager
async def page(
    status: SessionStatus | None = STATUS, host: Host = HOST
) -> AsyncIterator[int]:
    """Run a page, and yield its port."""

    async def picture() -> SessionStatus:
        if status is None:
            raise Refused("in no session")
        return status

    port = free_port()
    made = HealthPage(listen=f"127.0.0.1:{port}", host=host, status=picture)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(made.run())
        await aeventually(lambda: answers(port), within=5)
        yield port
        task.cancel()


async def answers(port: int) -> bool:
    try:
        return bool(await asked(port, b"GET /x HTTP/1.0\r\n\r\n"))
    except OSError:
        return False


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def get(port: int, path: str) -> tuple[str, str]:
    """Return an answer's status line and payload."""
    answer = await asked(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, payload = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(payload)}".encode() in head
    return head.decode().splitlines()[0], payload.decode()


async def test_health_is_a_document_and_a_code() -> None:
    async with page() as port:
        code, payload = await get(port, "/healthz")
        assert (code, json.loads(payload)["ok"]) == ("HTTP/1.0 200 OK", True)
    async with page(with_sound(silent=True)) as port:
        code, payload = await get(port, "/healthz?verbose")
        assert code == "HTTP/1.0 503 Service Unavailable"
        assert json.loads(payload)["wrong"] == ["/mix.ogg is silent"]


async def test_metrics_are_text() -> None:
    async with page() as port:
        code, payload = await get(port, "/metrics")
        assert code == "HTTP/1.0 200 OK"
        assert 'sessiond_mount_silent{mount="/mix.ogg"} 0\n' in payload


async def test_a_host_in_no_session_answers_too() -> None:
    async with page(None) as port:
        assert json.loads((await get(port, "/healthz"))[1])["session"] is None
        assert "sessiond_agent_info" in (await get(port, "/metrics"))[1]


def between_shows(*sounds: MountSound) -> Host:
    """Return a station whose ear hears this of its filler."""
    plan = HostPlan(station=KEPT, radio="filler")
    return replace(HOST, plan=plan, observed=Observed(sounds=sounds))


async def test_nothing_is_expected_of_a_session_that_is_over() -> None:
    over = replace(with_sound(silent=True), phase=Phase.STOPPED)
    async with page(over) as port:
        code, payload = await get(port, "/healthz")
        assert (code, json.loads(payload)["session"]) == ("HTTP/1.0 200 OK", None)
    async with page(over, between_shows()) as port:
        assert " 503 " in (await get(port, "/healthz"))[0]


async def test_a_station_between_two_shows_is_listened_to() -> None:
    async with page(None, between_shows(SOUND)) as port:
        code, payload = await get(port, "/healthz")
        assert (code, json.loads(payload)["ok"]) == ("HTTP/1.0 200 OK", True)
    async with page(None, between_shows()) as port:
        code, payload = await get(port, "/healthz")
        assert code == "HTTP/1.0 503 Service Unavailable"
        assert "/mix.ogg" in json.loads(payload)["wrong"][0]


async def test_other_questions_have_short_answers() -> None:
    async with page() as port:
        assert (await get(port, "/"))[0] == "HTTP/1.0 404 Not Found"
        refused = await asked(port, b"POST /healthz HTTP/1.0\r\n\r\n")
        assert refused.startswith(b"HTTP/1.0 405 ")
        head = await asked(port, b"HEAD /healthz HTTP/1.0\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 200 ")
        assert head.endswith(b"\r\n\r\n")
        assert (await asked(port, b"\r\n\r\n")).startswith(b"HTTP/1.0 405 ")
        long = b"GET /healthz HTTP/1.0\r\nX: " + b"x" * 20_000 + b"\r\n\r\n"
        assert (await asked(port, long)).startswith(b"HTTP/1.0 431 ")


async def test_who_says_nothing_keeps_nobody_out_for_long() -> None:
    async with page() as port:
        idle = [
            await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST_ASKERS)
        ]
        with suppress(ConnectionResetError):
            assert await asked(port, b"GET /healthz HTTP/1.0\r\n\r\n") == b""
        await aeventually(lambda: answers(port), within=10)
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()


async def test_a_port_that_is_taken_ends_no_agent() -> None:
    async with page() as port:
        made = HealthPage(listen=f"127.0.0.1:{port}", host=HOST, status=None)  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(made.run())
            await get(port, "/healthz")
            assert not task.done()
            task.cancel()


async def test_without_an_address_there_is_no_page() -> None:
    await HealthPage(listen="", host=HOST, status=None).run()  # type: ignore[arg-type]
