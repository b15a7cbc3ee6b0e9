"""What listeners of a mount see: the title that the operator sets, and what is shown.

A title is a fact of the stamped document, not of the session file. How a stream carries
it, and listeners read it, is in `streamtitles`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from sessiond.core.mistakes import TextRule
from sessiond.core.onair import Listening, ListenState
from sessiond.core.spec import SessionSpec
from sessiond.core.stamped import StampedSpec
from sessiond.errors import Refused
from sessiond.units import MountPath, Seconds

# Players cut longer ones, and 200 characters of any alphabet fit the 4 KiB in which
# Icecast reads a request and the 4 KiB of metadata that an MP3 stream can carry.
LONGEST_TITLE: Final = 200

# Between what people write and what a listener sees lie a page of sound, a line, and
# for Vorbis a page of Icecast's own: together about a second.
SHOWN_WITHIN: Final = Seconds(5.0)


def _is_title(text: str) -> bool:
    # Narrower than other free texts: readers make a space of whatever isn't printable.
    fits = 0 < len(text) <= LONGEST_TITLE and text == text.strip()
    return fits and text.isprintable()


TITLE: Final = TextRule(
    accepts=_is_title,
    must=f"1 to {LONGEST_TITLE} characters on one line, all of them visible",
    repair=lambda text: " ".join(text.split())[:LONGEST_TITLE].strip(),
)


def with_title(document: StampedSpec, path: MountPath, text: str) -> StampedSpec:
    """Return the document with a mount's title set, or with none if `text` is empty.

    Raises:
        Refused: There is no such mount, or no title can be like that.
    """
    spec = document.spec
    if path not in {mount.path for mount in spec.mounts}:
        paths = ", ".join(mount.path for mount in spec.mounts) or "none"
        raise Refused(f"{spec.name} has no mount {path}.", f"It has: {paths}.")
    title = text.strip()
    if title and not TITLE.accepts(title):
        guess = TITLE.suggestion(title)
        raise Refused(
            f"A title must be {TITLE.must}.", f"Did you mean {guess}?" if guess else ""
        )
    titles = {**document.titles, path: title}
    kept = {path: title for path, title in titles.items() if title}
    return replace(document, titles=MappingProxyType(kept))


def sound_titles(
    titles: Mapping[MountPath, str], spec: SessionSpec
) -> Mapping[MountPath, str]:
    """Return those titles that are some, of mounts that the spec has."""
    paths = {mount.path for mount in spec.mounts}
    return MappingProxyType(
        {p: text for p, text in titles.items() if p in paths and TITLE.accepts(text)}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleHeard:
    """A mount's title as this host's own listener is shown it.

    Attributes:
        other_since: Since when it is not the one that was asked for, on this host's
            monotonic clock; None while it is, or need not be.
    """

    title: str
    wanted: str
    other_since: Seconds | None = None

    def is_off(self, now: Seconds) -> bool:
        """Tell whether listeners have seen another title for too long."""
        since = self.other_since
        return since is not None and now - since > SHOWN_WITHIN


def heard_title(
    before: TitleHeard | None,
    listening: Listening,
    wanted: str,
    now: Seconds,
    *,
    ours: bool,
) -> TitleHeard | None:
    """Return what is shown on a mount now; None while no listener of ours can tell.

    Args:
        before: What this function returned at the last look.
        listening: This host's own listener.
        wanted: The title that was asked for; may be empty.
        now: This host's monotonic clock, seconds.
        ours: A source of a session feeds the mount; a filler has titles of its own.
    """
    if listening.state is not ListenState.OPEN or listening.first_at is None:
        return None
    if listening.title == wanted or not ours:
        return TitleHeard(title=listening.title, wanted=wanted)
    since = before.other_since if before and before.wanted == wanted else None
    return TitleHeard(
        title=listening.title,
        wanted=wanted,
        other_since=now if since is None else since,
    )
