"""The program ``concordat``: its commands, and how a refusal leaves it."""

from typing import Any

import typer
from typer.core import TyperGroup

from agreements.errors import ConcordatError
from portal.cli import (
    agreements,
    checkpoints,
    doctor,
    findings,
    grants,
    institutions,
    keeping,
    lifecycle,
    log,
    norms,
    people,
    release,
    runs,
    tokens,
    verify,
)
from portal.cli.output import show_refusal, wants_json

REFUSED = 1
"""The exit status of a command that was refused; wrong usage is 2."""


class _Refusing(TyperGroup):
    """Ends the program with the refusal in words, never with a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ConcordatError as error:
            show_refusal(error, as_json=wants_json(ctx))
            raise typer.Exit(REFUSED) from None


app = typer.Typer(
    name="concordat",
    cls=_Refusing,
    help="Staged, partnership-based release of language models.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

lifecycle.register(app)
verify.register(app)
keeping.register(app)
doctor.register(app)
for name, commands in (
    ("institution", institutions.app),
    ("person", people.app),
    ("checkpoint", checkpoints.app),
    ("agreement", agreements.app),
    ("grant", grants.app),
    ("token", tokens.app),
    ("run", runs.app),
    ("finding", findings.app),
    ("norm", norms.app),
    ("release", release.app),
    ("log", log.app),
):
    app.add_typer(commands, name=name)
