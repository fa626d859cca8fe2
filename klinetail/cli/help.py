"""The command `klinetail help`: the same text as `-h`, under a guessable name."""

# No annotations as text here, as in `watch`.

from typing import Annotated

import typer


def show(
    context: typer.Context,
    command: Annotated[
        str | None,
        typer.Argument(
            metavar="[COMMAND]",
            help="The command to explain; by default the list of all commands.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show how klinetail, or one of its commands, is used."""
    from klinetail.cli.mistakes import no_command
    from klinetail.errors import UsageError

    above = context.parent
    group = None if above is None else above.command
    commands = getattr(group, "commands", {})
    if above is None or group is None:
        raise RuntimeError("help is a command of a group")
    if command is None:
        typer.echo(group.get_help(above))
    elif (known := commands.get(command)) is None:
        raise UsageError(no_command([command], list(commands)))
    else:
        with type(context)(known, info_name=command, parent=above) as inner:
            typer.echo(known.get_help(inner))
