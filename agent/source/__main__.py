"""``python -m agent.source``: one mount's FFmpeg and its PUTs to Icecast.

A process of its own, so that mounts fail alone and the agent may die. It is steered
over its Unix socket (`agent.source.steer`); what it is to feed, and the password, come
only from there. Ends with an exit code of `sessiond.errors`.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from agent.adapters.limits import write_no_core
from agent.source.leases import lease_clock
from agent.source.source import Source
from agent.steering import SteeringServer
from agent.unfailing import unfailing
from sessiond.errors import SessiondError


def main(argv: list[str] | None = None) -> int:
    """Run one source process; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m agent.source", description=__doc__)
    parser.add_argument("--name", required=True, help="the proc's name, to be known by")
    parser.add_argument("--socket", required=True, type=Path, help="steering socket")
    parser.add_argument("--server", help="JACK server; default: $JACK_DEFAULT_SERVER")
    arguments = parser.parse_args(argv)
    # The password will be in memory here, and this may be started by hand.
    write_no_core()
    try:
        asyncio.run(_run(arguments.socket, arguments.server))
    except SessiondError as e:
        sys.stderr.write(f"{arguments.name}: {e.sentence} {e.hint}".rstrip() + "\n")
        return e.exit_code
    return 0


async def _run(path: Path, server: str | None) -> None:
    env = {**os.environ, "JACK_NO_START_SERVER": "1"}
    if server:
        env["JACK_DEFAULT_SERVER"] = server
    source = Source(env, now=lease_clock)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, source.stop)
    async with SteeringServer(path, source.answer):
        await source.run()


if __name__ == "__main__":
    sys.stderr = unfailing()  # a full disk must not end the music
    sys.exit(main())
