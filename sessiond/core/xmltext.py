"""Text that an XML parser reads back exactly as it was."""

from typing import Final

from sessiond.errors import Refused


def element(name: str, text: str, *, depth: int = 1) -> str:
    """Return an element with this text, on a line indented so deep.

    Raises:
        Refused: The text holds a character that XML can't carry.
    """
    return f"{'  ' * depth}<{name}>{_escape(text)}</{name}>"


_ENTITIES: Final = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&apos;",
    # A parser would turn a bare carriage return into a line feed.
    "\r": "&#13;",
    "\n": "&#10;",
    "\t": "&#9;",
}


def _escape(text: str) -> str:
    """Return `text` so that an XML parser reads back exactly the same."""
    for character in text:
        if not _is_xml(character):
            raise Refused(
                f"Icecast's configuration can't hold the character "
                f"{ord(character):#06x}.",
                "Choose names and passwords without control characters.",
            )
    return "".join(_ENTITIES.get(character, character) for character in text)


def _is_xml(character: str) -> bool:
    """Say whether XML 1.0 can carry this character at all (section 2.2)."""
    if character < " ":
        return character in "\t\n\r"
    return not ("\ud800" <= character <= "\udfff" or character in "\ufffe\uffff")
