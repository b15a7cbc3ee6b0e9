"""Where pictures go: a terminal of its own width, or a pipe of a fixed one."""

import click
from rich.console import Console, RenderableType

from sessiond.cli.operator import Operator

# In a file or a pipe nothing says how wide it is; listen URLs must stay whole.
WIDE = 160


def console(operator: Operator) -> Console:
    """Return standard output as `rich` sees it."""
    return Console(
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
