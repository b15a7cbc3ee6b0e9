"""A JACK door whose server is lost while Python is busy.

    python -m tests.support.jackloss SERVER

Says ``joined`` once it is, and ``parted`` once it has seen its server go and left it.
"""

import asyncio
import sys
import threading
from typing import Final

from agent.adapters.jack_graph import JackDoor
from tests.support.eventually import aeventually

# A callback of JACK waits this long for Python's lock while another thread computes.
TURN_SECONDS: Final = 0.02

WITHIN: Final = 10.0


async def lose(server: str) -> None:
    door = JackDoor(server, lambda: None)

    async def there() -> bool:
        return await door.look() is not None

    async def gone() -> bool:
        return not await there()

    await aeventually(there, within=WITHIN)
    sys.setswitchinterval(TURN_SECONDS)
    threading.Thread(target=compute, daemon=True).start()
    say("joined")
    await aeventually(gone, within=WITHIN)
    await door.close()
    say("parted")


def compute() -> None:
    while True:
        sum(range(1000))


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(lose(sys.argv[1]))
