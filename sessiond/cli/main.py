"""``sessiond``: arguments to one call to an exit code; errors to one sentence.

The commands lie by theme in `show`, `steer`, `titling`, `membership`, `beside` and
`play`; each module is imported when one of its commands is asked for, so that every
start is quick.
"""

import gc
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NoReturn

import click

from sessiond.cli.operator import Operator, resolve_where, sitting_at
from sessiond.core.mistakes import BadFile, visible
from sessiond.errors import Refused, SessiondError
from sessiond.places import default_state_dir
from sessiond.version import VERSION

_INTERRUPTED: Final = 130

# In the order of a session's life; each is a function of the module named.
_COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "demo": ("play", "demo"),
        "hosts": ("show", "hosts"),
        "check": ("beside", "check"),
        "create": ("steer", "create"),
        "invite": ("membership", "invite"),
        "join": ("membership", "join"),
        "remove": ("membership", "remove"),
        "spec": ("show", "spec"),
        "apply": ("steer", "apply"),
        "status": ("show", "status"),
        "watch": ("show", "watch"),
        "listen": ("listening", "listen"),
        "gain": ("steer", "gain"),
        "title": ("titling", "title"),
        "mute": ("steer", "mute"),
        "unmute": ("steer", "unmute"),
        "leave": ("steer", "leave"),
        "resume": ("steer", "resume"),
        "handover": ("steer", "handover"),
        "stop": ("steer", "stop"),
        "icecast-config": ("beside", "icecast_config"),
        "page": ("page", "page"),
        "next-track": ("next_track", "next_track"),
        "doctor": ("beside", "doctor"),
    }
)


class _Commands(click.Group):
    """The table above as click's commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, importing its module; None for an unknown name."""
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"sessiond.cli.{module}"), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{name} is no command")
        return command


@click.group(cls=_Commands, invoke_without_command=True)
@click.option(
    "--agent",
    "where",
    metavar="WHERE",
    help="The agent to ask: HOST:PORT, if you have joined its session as an operator"
    " or a viewer, or unix:PATH. Default: $SESSIOND_AGENT, then this host's own.",
)
@click.version_option(VERSION)
@click.pass_context
def commands(ctx: click.Context, where: str | None) -> None:
    """Turn a few musicians' computers into one jam session that goes on the air.

    \b
    Example:
      sessiond demo
      sessiond create friday-jam.toml
      sessiond --agent 192.168.1.20:7700 status
    """  # noqa: D301  \b keeps click from filling the example's lines
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    elif ctx.obj is None:
        state_dir = default_state_dir(os.environ, root=os.geteuid() == 0)
        ctx.obj = sitting_at(resolve_where(where, os.environ, state_dir))


def run(
    arguments: Sequence[str] | None = None, operator: Operator | None = None
) -> int:
    """Run one command and return its exit code; None stands for this process's own."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with commands.make_context("sessiond", words, obj=operator) as context:
            commands.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as e:
        return e.exit_code
    except SessiondError as e:
        return _complain(e)
    except click.ClickException as e:
        return _complain(_refused(e))
    except (click.Abort, KeyboardInterrupt):
        click.echo("\ninterrupted", err=True)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`): nobody is left to tell, and Python would
        # complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _refused(usage: click.ClickException) -> Refused:
    context = usage.ctx if isinstance(usage, click.UsageError) else None
    path = context.command_path if context else "sessiond"
    return Refused(usage.format_message(), f"See {path} --help.")


def _complain(error: SessiondError) -> int:
    # An agent's words may hold what somebody else wrote.
    click.echo(f"error: {visible(error.sentence)}", err=True)
    if isinstance(error, BadFile):
        for mistake in error.mistakes:
            click.echo(f"  {mistake}", err=True)
    elif error.hint:
        click.echo(f"hint: {visible(error.hint)}", err=True)
    return error.exit_code


def main() -> NoReturn:
    """Run the command that this process was started with."""
    code = run()
    # At the end Python looks through everything that was imported for what could be
    # freed; that takes longer than any command's own work.
    gc.freeze()
    sys.exit(code)
