"""Where pictures go: a terminal of its own width, or a pipe of a fixed one.

Whatever others wrote (titles, versions, conditions) is shown and never obeyed: a
control character of theirs is a mark on the screen.
"""

from collections.abc import Iterable

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from sessiond.cli.operator import Operator
from sessiond.core.mistakes import visible

# In a file or a pipe nothing says how wide it is; listen URLs must stay whole.
WIDE = 160


class _Screen(Console):
    """A console on which only our own codes are codes."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield what is to be shown, as `Console.render`."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(visible(text), style)


def console(operator: Operator) -> Console:
    """Return standard output as `rich` sees it."""
    return _Screen(
        width=None if operator.on_terminal else WIDE,
        force_terminal=operator.on_terminal,
        highlight=False,
        markup=False,
    )


def draw(operator: Operator, picture: RenderableType) -> None:
    """Print one picture; in a pipe without the spaces that fill its width."""
    screen = console(operator)
    if operator.on_terminal:
        screen.print(picture)
        return
    with screen.capture() as lines:
        screen.print(picture)
    for line in lines.get().splitlines():
        click.echo(line.rstrip())
