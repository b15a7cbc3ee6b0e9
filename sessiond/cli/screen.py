"""Where pictures go: a terminal of its own width, or a pipe of a fixed one."""

from rich.console import Console

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
