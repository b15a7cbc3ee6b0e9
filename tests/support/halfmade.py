"""A JACK server, started as an agent does where an earlier one was killed half-way.

    unshare --mount … python -m tests.support.halfmade FOLDER

Needs a /dev/shm of its own. Prints the new server's ports.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL
from typing import Final

from agent.adapters.jack_leftovers import SHARED
from agent.adapters.os_procs import OsProcs
from sessiond.core.proc import ProcPlan, Program, Stage
from sessiond.units import ProcName
from tests.support.eventually import aeventually

SERVER: Final = "halfmade"
NAME: Final = ProcName("jackd")

# Three pages of Berkeley DB, as a server leaves that is killed when it makes them.
_HALF: Final = bytes(12288)


def ports() -> str:
    argv = ("jack_lsp", "-s", SERVER)
    try:
        listed = subprocess.run(
            argv, check=False, capture_output=True, text=True, timeout=1
        )
    except subprocess.TimeoutExpired:
        return ""
    return listed.stdout


async def main(folder: Path) -> None:
    """Leave half a database, start the server, and see that it takes clients."""
    made = SHARED / f"jack_db-{os.getuid()}"
    made.mkdir()
    (made / "__db.metadata.db").write_bytes(_HALF)
    procs = OsProcs(folder, lambda: None)
    device = ("-d", "dummy", "-r", "48000", "-p", "256")
    await procs.spawn(
        ProcPlan(
            name=NAME,
            program=Program.JACKD,
            stage=Stage.JACK,
            argv=("jackd", "--name", SERVER, "--no-realtime", *device),
        )
    )
    try:
        sys.stdout.write(await aeventually(ports, within=10))
    finally:
        procs.signal(NAME, SIGKILL)
        await aeventually(lambda: procs.seen()[NAME].exit_code is not None, within=5)
        procs.close()


if __name__ == "__main__":
    os.environ |= {"JACK_NO_AUDIO_RESERVATION": "1", "JACK_NO_START_SERVER": "1"}
    asyncio.run(main(Path(sys.argv[1])))
