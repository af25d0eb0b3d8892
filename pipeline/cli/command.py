"""Commands that refuse empty arguments: an empty path would be the working directory, an empty condition any run."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Any

import click
from click.core import ParameterSource

# A schedule of a pipeline without profiles gives an empty one.
_MAY_BE_EMPTY = ("profile",)


class NonEmptyCommand(click.Command):
    """A command that refuses empty arguments.

    Attributes:
      may_be_empty: names of its parameters that may be empty.
    """

    def __init__(self, *args: Any, may_be_empty: Collection[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.may_be_empty = (*_MAY_BE_EMPTY, *may_be_empty)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. Raises a usage error if one is empty."""
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:  # completion
            self._check_not_empty(ctx)
        return rest

    def _check_not_empty(self, context: click.Context) -> None:
        for parameter in self.params:
            name = parameter.name or ""
            if name in self.may_be_empty or context.get_parameter_source(name) != ParameterSource.COMMANDLINE:
                continue
            value: Any = context.params.get(name)
            if getattr(parameter, "flag_value", None) == "" == value:  # that of an option given without a value
                continue
            if any(str(one) == "" for one in (value if isinstance(value, tuple) else (value,))):
                shown = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
                raise click.UsageError(f"{shown} is empty: give a value, or leave it out", context)


command = functools.partial(click.command, cls=NonEmptyCommand)
