"""The one error tree; each branch is a meaning and an exit code.

    SessiondError
    ├─ Refused      2  bad input, or a conflict with what runs; nothing changed
    ├─ Unavailable  3  not reachable, busy or out of time; trying again can help
    └─ Broken       4  a person is needed: wrong password, missing program

A bug is none of these: it stays an ordinary exception and ends the process.
"""

from typing import ClassVar


class SessiondError(Exception):
    """One sentence for a person, and a hint at what to do about it.

    Raise a subclass, never this class.

    Args:
        sentence: What is wrong, as one sentence; never holds a secret.
        hint: The next step for the reader; may be empty.
    """

    exit_code: ClassVar[int] = 4

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint


class Refused(SessiondError):  # noqa: N818  the meaning is the name: design "errors"
    """The request is wrong or conflicts with what runs; nothing changed."""

    exit_code = 2


class Unavailable(SessiondError):  # noqa: N818  as above
    """Someone could not be reached, a port is busy, or time ran out."""

    exit_code = 3


class Broken(SessiondError):  # noqa: N818  as above
    """A person is needed: wrong password, missing program or codec."""

    exit_code = 4
