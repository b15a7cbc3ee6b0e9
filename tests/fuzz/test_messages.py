"""Whatever comes from the network is a value of ours or `Refused`, and nothing else."""

import pkgutil
import resource
from importlib import import_module
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sessiond.v1
from sessiond.core.amend import checked
from sessiond.core.spec import SessionSpec
from sessiond.errors import Refused
from sessiond.wire import bounds
from sessiond.wire.convert import decode, encode, to_wire
from tests.fuzz.inputs import (
    BATCH,
    arbitrary,
    examples,
    fill,
    methods,
    mutated,
    texts_in,
    travellers,
)
from tests.wire.values import any_of

FUZZED = travellers()
# Two thirds of all inputs, evenly; the rest is the files'.
EXAMPLES = examples(len(FUZZED), share=2)
MIB = 1024 * 1024

slow_is_fine = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck)
)


def specs_in(value: object) -> list[SessionSpec]:
    """Return the specs that an agent would look at before it does what is asked."""
    if isinstance(value, SessionSpec):
        return [value]
    if isinstance(value, tuple):
        return [spec for held in value for spec in specs_in(held)]
    names = getattr(value, "__dataclass_fields__", ())
    return [spec for name in names for spec in specs_in(getattr(value, name))]


def take(cls: type[Any], content: bytes) -> object | None:
    """Decode and check as an agent does; None for what it refuses."""
    try:
        value: object = decode(cls, content)
        for spec in specs_in(value):
            checked(spec)
    except Refused:
        return None
    except Exception as e:
        e.add_note(f"{cls.__name__} from {content[:2000].hex()}")
        raise
    assert decode(cls, encode(value)) == value, content.hex()
    longest = max(map(len, texts_in(value)), default=0)
    assert longest <= bounds.LONGEST_TEXT, content.hex()
    return value


def test_every_method_of_every_service_is_fuzzed() -> None:
    files = (
        import_module(f"sessiond.v1.{module.name}").DESCRIPTOR
        for module in pkgutil.iter_modules(sessiond.v1.__path__)
    )
    described = {
        f"/{service.full_name}/{method.name}"
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    }
    assert methods().keys() == described
    assert len(described) >= 19


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", sorted(FUZZED))
@slow_is_fine
@given(seed=st.integers(0, 2**32 - 1), choose=st.data())
def test_no_message_does_more_than_be_refused(
    name: str, seed: int, choose: st.DataObject
) -> None:
    cls = FUZZED[name]
    random = Random(seed)  # noqa: S311  nothing secret
    value = choose.draw(any_of(cls))
    whole = encode(value)
    blank = type(to_wire(value))
    for turn in range(BATCH):
        if turn % 5 == 0:
            content = arbitrary(random)
        elif turn % 2:
            content = mutated(random, whole)
        else:
            message = blank()
            fill(random, message)
            content = message.SerializeToString()
        take(cls, content)


@pytest.mark.parametrize("name", sorted(FUZZED))
def test_the_largest_request_costs_bounded_memory(name: str) -> None:
    """Empty messages of two bytes each are what swells most."""
    cls = FUZZED[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(1, 16):
        take(cls, bytes([number << 3 | 2, 0]) * (MIB // 2))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In KiB; measured below 80 MiB for the heaviest.
    assert after - before < 160 * 1024
