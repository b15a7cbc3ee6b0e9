"""How much an object holds on to: everything that it reaches, counted."""

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

    Classes, modules, functions and what runs at the moment are left out.
    """
    seen: dict[int, object] = {id(root): root for root in roots}
    left = list(roots)
    while left:
        for found in gc.get_referents(left.pop()):
            if id(found) not in seen and not isinstance(found, _ELSEWHERE):
                seen[id(found)] = found
                left.append(found)
    return len(seen)
