"""What a request may say in words of its own: each such field is on a list.

Everything else in a request is a number, one of a few words, or a checked name. So no
path, URL, format or list of arguments comes in unless somebody writes it down here.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, Final, get_args, get_type_hints

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from sessiond.errors import Refused
from sessiond.v1 import agent_pb2, join_pb2, peer_pb2
from sessiond.wire.bounds import text_check
from tests.fuzz.inputs import methods

# By what becomes of it. None is ever a part of an argument list or of a path.
FREE: Final[dict[str, frozenset[str]]] = {
    "compared with what proves something": frozenset(
        {
            "AcquaintRequest.nonce",
            "AcquaintRequest.proof",
            "AdmitRequest.nonce",
            "AdmitRequest.proof",
            "GreetRequest.nonce",
            "JoinRequest.nonce",
            "JoinRequest.proof",
            "JoinRequest.signature",
        }
    ),
    "a password, kept and given to Icecast alone": frozenset(
        {
            "Secrets.admin",
            "Secrets.join",
            "Secrets.mounts",
            "Secrets.relay",
            "Secrets.source",
        }
    ),
    "shown to people": frozenset(
        {
            "HostSighting.session",
            "HostSighting.version",
            "MountSpec.description",
            "MountSpec.genre",
            "MountSpec.name",
            "StampedSpec.titles",
            "TitleRequest.title",
        }
    ),
    "compared with names that are known, or checked as one": frozenset(
        {
            "Claim.name",
            "JoinRequest.name",
            "PeerEnvelope.session",
            "Person.label",
            "RemoveRequest.name",
        }
    ),
    "where Icecast is, and as whom; checked as a file's is": frozenset(
        {
            "IcecastServer.admin_user",
            "IcecastServer.host",
            "IcecastServer.source_user",
            "MountSpec.source_user",
            "Station.address",
        }
    ),
    "a join link, read by `parse_link` alone": frozenset({"JoinLinkRequest.link"}),
}

# None of these is a name of anything here.
ANYTHING: Final = (
    "/etc/shadow",
    "--help",
    "http://source:hackme@radio.local:8000/mix.ogg",
    "%s%n",
    "a b",
)

Hint = Any
"""A type hint; hints have no type of their own."""


def texts_of(cls: type) -> Iterator[tuple[str, Hint]]:
    """Yield each field of words or bytes, however deep, and what it holds."""
    hints = get_type_hints(cls)
    for each in dataclasses.fields(cls):
        yield from _texts(hints[each.name], f"{cls.__name__}.{each.name}")


def _texts(hint: Hint, where: str) -> Iterator[tuple[str, Hint]]:
    parts = [part for part in get_args(hint) if part is not ...]
    if parts:
        for part in parts:
            yield from _texts(part, where)
    elif dataclasses.is_dataclass(hint):
        yield from texts_of(hint)  # type: ignore[arg-type]
    elif is_words(hint):
        yield where, hint


def is_words(hint: Hint) -> bool:
    plain = getattr(hint, "__supertype__", hint)
    return isinstance(plain, type) and issubclass(plain, str | bytes)


def is_free(hint: Hint) -> bool:
    """Tell whether such a field may hold anything at all."""
    if hint is bytes:
        return True
    if isinstance(hint, type) and issubclass(hint, Enum):
        return False
    return any(takes(hint.__name__, text) for text in ANYTHING)


def takes(type_name: str, text: str) -> bool:
    try:
        text_check("It", type_name)(text)
    except Refused:
        return False
    return True


def described(message: Descriptor, seen: set[str]) -> Iterator[str]:
    """Yield each field of words or bytes that the protocol's own files name."""
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for each in message.fields:
        for part in parts_of(each):
            if part.message_type is not None:
                yield from described(part.message_type, seen)
            elif part.type in {part.TYPE_STRING, part.TYPE_BYTES}:
                yield f"{message.name}.{each.name}"


def parts_of(field: FieldDescriptor) -> Sequence[FieldDescriptor]:
    """Return a map's key and value, or the field itself."""
    inner = field.message_type
    if inner is None or not inner.GetOptions().map_entry:
        return (field,)
    return tuple(inner.fields)


REQUESTS: Final = tuple(dict.fromkeys(method.request for method in methods().values()))


def test_every_field_that_may_hold_anything_is_on_the_list() -> None:
    found = {
        where for cls in REQUESTS for where, hint in texts_of(cls) if is_free(hint)
    }
    listed = [where for fields in FREE.values() for where in fields]
    assert len(listed) == len({*listed})
    assert found == {*listed}


def test_the_list_misses_no_field_of_the_protocol() -> None:
    """A field that no dataclass has is never read: it would be none of ours."""
    seen: set[str] = set()
    ours = {where for cls in REQUESTS for where, _ in texts_of(cls)}
    theirs = {
        where
        for file in (agent_pb2, join_pb2, peer_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        for where in described(method.input_type, seen)
    }
    assert theirs == ours


@pytest.mark.parametrize("what", ["path", "url", "argv", "command", "file", "format"])
def test_no_field_is_named_like_what_no_call_takes(what: str) -> None:
    named = {where for cls in REQUESTS for where, _ in texts_of(cls)}
    names = {where for where in named if what in where.partition(".")[2].split("_")}
    # A mount's path is a checked name, and joins no folder.
    assert names <= {"MountSpec.path"}
