"""The program ``concordat``: its commands, and how a refusal leaves it."""

from typing import Any

import typer
from typer.core import TyperGroup

from agreements.errors import ConcordatError, Unavailable
from portal.cli import (
    access,
    access_requests,
    agreements,
    batches,
    campaigns,
    checkpoints,
    doctor,
    duties,
    explaining,
    findings,
    grants,
    identity_providers,
    institutions,
    invitations,
    keeping,
    lifecycle,
    log,
    norms,
    notices,
    passports,
    people,
    presets,
    programs,
    publications,
    release,
    runs,
    sessions,
    templates,
    tokens,
    usage,
    verify,
    webhooks,
    workers,
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
            refusal = error
        except ModuleNotFoundError as error:
            refusal = _not_installed(error)
        show_refusal(refusal, as_json=wants_json(ctx))
        raise typer.Exit(REFUSED)


def _not_installed(error: ModuleNotFoundError) -> ConcordatError:
    """The refusal where only what verifies was installed. Raises the error itself if a part of ours is missing."""
    missing = (error.name or "").partition(".")[0]
    if missing in ("", "agreements", "model_access", "portal"):
        raise error
    return Unavailable(
        "not_installed",
        f"This command needs {missing}, which is not installed.",
        hint="Install the whole portal: pip install 'concordat[portal]'.",
    )


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
duties.register(app)
explaining.register(access.app)
for name, commands in (
    ("institution", institutions.app),
    ("passport", passports.app),
    ("person", people.app),
    ("invitation", invitations.app),
    ("session", sessions.app),
    ("identity-provider", identity_providers.app),
    ("checkpoint", checkpoints.app),
    ("template", templates.app),
    ("agreement", agreements.app),
    ("duty", duties.app),
    ("campaign", campaigns.app),
    ("request", access_requests.app),
    ("grant", grants.app),
    ("token", tokens.app),
    ("program", programs.app),
    ("run", runs.app),
    ("preset", presets.app),
    ("batch", batches.app),
    ("workers", workers.app),
    ("usage", usage.app),
    ("access", access.app),
    ("finding", findings.app),
    ("norm", norms.app),
    ("release", release.app),
    ("publication", publications.app),
    ("notice", notices.app),
    ("webhook", webhooks.app),
    ("log", log.app),
):
    app.add_typer(commands, name=name)
