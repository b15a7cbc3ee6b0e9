"""How much an object holds on to: everything that it reaches, counted."""

import asyncio
import gc
import types
from typing import Final

# What every object leads to, and the whole program with it.
_ELSEWHERE: Final = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.CodeType,
    types.FrameType,
    types.CoroutineType,
    types.AsyncGeneratorType,
)


def weight(*roots: object) -> int:
    """Return how many objects these reach, themselves included.

    Classes, modules, functions and what runs at the moment are left out, and so are
    timers that were cancelled: an event loop drops those when they are many.
    """
    seen: dict[int, object] = {id(root): root for root in roots}
    left = list(roots)
    while left:
        for found in gc.get_referents(left.pop()):
            if id(found) not in seen and not _is_elsewhere(found):
                seen[id(found)] = found
                left.append(found)
    return len(seen)


def _is_elsewhere(found: object) -> bool:
    if isinstance(found, asyncio.TimerHandle):
        return found.cancelled()
    return isinstance(found, _ELSEWHERE)
