"""The group of the commands; each usage error of the group is one clear line."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any, Final

import typer
from typer.core import TyperGroup

from klinetail.errors import UsageError

_Usage: Final[Any] = typer.BadParameter.__mro__[1]
"""The parser's own usage error. Typer takes the class from Click or, in later versions,
brings Click along; Typer exports only classes derived from the usage error."""


class Commands(TyperGroup):
    """A group that raises `UsageError` where Typer would print three lines itself."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        try:
            code = super().main(
                args, prog_name, complete_var, False, windows_expand_args, **extra
            )
        except _Usage as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                error.show()
                code = error.exit_code
            else:
                raise UsageError(_said(error)) from None
        if standalone_mode:
            sys.exit(code)
        return code

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = ctx.resilient_parsing or self.get_command(ctx, args[0]) is not None
        if not known:
            from klinetail.cli.mistakes import no_command

            raise UsageError(no_command(args, list(self.commands)))
        return super().resolve_command(ctx, args)


def _said(error: Any) -> str:
    """Return the message about a usage error of the parser."""
    from klinetail.cli.mistakes import no_option, no_value

    context = error.ctx
    command = "" if context is None or context.parent is None else context.info_name
    option = getattr(error, "option_name", None)
    if option is not None and type(error).__name__ == "NoSuchOption":
        below = getattr(context.command, "commands", {})
        others = {name: _options(context, one) for name, one in below.items()}
        return no_option(command, option, _options(context, context.command), others)
    at = f"klinetail {command}".rstrip()
    parameter = getattr(error, "param", None)
    if context is None:
        return _bare(error.format_message())
    if parameter is None:
        text = _bare(error.format_message())
        return f"{text}; {at} -h shows how the command is used"
    name = (
        parameter.opts[-1] if parameter.param_type_name == "option" else "an argument"
    )
    said = _bare(error.message)
    # Only the message of a parser's error holds the value.
    choice = re.match(r"(['\"])(.*)\1 is not one of ", said, re.DOTALL)
    if choice and (choices := getattr(parameter.type, "choices", None)):
        return no_value(parameter.name, name, choice[2], [*map(str, choices)])
    return f"{name}: {said}; {at} -h shows the possible values"


def _options(context: Any, command: Any) -> list[str]:
    """Return the options of a command, as a user writes them."""
    return [
        name
        for parameter in command.get_params(context)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("-")
    ]


def _bare(message: str) -> str:
    """Return the parser's message in the style of our messages, without a full stop."""
    text = message.strip().removesuffix(".")
    text = text.replace("is not a valid int range", "is not a whole number")
    text = text.replace("is not a valid integer range", "is not a whole number")
    text = text.replace("is not a valid float range", "is not a number")
    text = text.replace("is not a valid int", "is not a whole number")
    return text.replace("is not a valid float", "is not a number")
