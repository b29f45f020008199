"""The few pages that are not screens: signing in and out, and refusals on the way. No script, one style sheet."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Final
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, Response

from agreements.errors import ConcordatError
from agreements.people import Person
from portal.api.errors import status_of
from portal.services.identity_providers import Button
from portal.services.invitations import Offer

STYLE: Final = files("portal.api").joinpath("static", "session.css").read_text(encoding="utf-8")
"""Served at ``/session/style.css``."""


def _document(title: str, body: str, lab_name: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(title)} · Concordat</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/session/style.css">
</head>
<body>
<main>
<p class="wordmark"><strong>Concordat</strong> &nbsp;{escape(lab_name)}</p>
<h1>{escape(title)}</h1>
{body}
</main>
</body>
</html>
"""


def sign_in_page(
    lab_name: str,
    demo: Sequence[tuple[Person, str]],
    onward: str,
    *,
    providers: Sequence[Button] = (),
    note: str = "",
) -> Response:
    """How to sign in. ``demo``: whom a demonstration lets in, each with their roles in words."""
    body = [f'<p class="note">{escape(note)}</p>'] if note else []
    if providers:
        body += [
            "<h2>With your institution's account</h2><ul>",
            *(_provider_entry(button, onward) for button in providers),
            "</ul>",
            (
                '<form method="post" action="/session/login">'
                f'<input type="hidden" name="next" value="{escape(onward)}">'
                "<label>Not sure which? Your e-mail address tells: "
                '<input type="email" name="email" required maxlength="200" autocomplete="email"></label> '
                "<button>Find it</button></form>"
            ),
            "<h2>With a personal link</h2>",
        ]
    body += [
        "<p>You sign in with a personal link. Open the one you were sent: it works once, for this browser.</p>",
        f'<p class="quiet">No link, or a spent one? A coordinator at {escape(lab_name)} gives you a new one.</p>',
    ]
    if demo:
        body.append(
            "<h2>Enter the demonstration</h2>"
            '<p class="quiet">Everything in it is fictional. Choose whose eyes to see it with.</p><ul>'
        )
        body += [_demo_entry(person, roles, onward) for person, roles in demo]
        body.append("</ul>")
    return HTMLResponse(_document("Sign in", "\n".join(body), lab_name))


def _provider_entry(button: Button, onward: str) -> str:
    # A link, not a form: browsers hold a form's redirects to this portal's own addresses (CSP form-action).
    query = urlencode({"provider": button.provider_id, "next": onward})
    return f'<li><a class="button" href="/session/oidc/start?{escape(query)}">{escape(button.label)}</a></li>'


def found_page(lab_name: str, button: Button, onward: str) -> Response:
    """Where an e-mail address leads."""
    body = (
        "<p>People with your address sign in here:</p>"
        f"<ul>{_provider_entry(button, onward)}</ul>"
        '<p class="after"><a href="/session/login">Another way</a></p>'
    )
    return HTMLResponse(_document("Sign in", body, lab_name))


def waiting_page(lab_name: str, person: Person, institution: str) -> Response:
    """What somebody sees who was not let in yet. It has nothing else to show."""
    pending = person.pending
    if pending is not None and pending.refused:
        title, words = "You were not let in", f'<p class="note">{escape(pending.refused)}</p>'
        more = f"If that is a mistake, talk to the partner lead of {escape(institution)}."
    else:
        since = f" since {pending.requested_at:%Y-%m-%d %H:%M} UTC" if pending is not None else ""
        title = "You are known, and wait to be let in"
        words = f"<p>{escape(person.name)}, you wait{since}.</p>"
        more = (
            f"A partner lead of {escape(institution)} or a coordinator at {escape(lab_name)} was told, and lets you in "
            "with a role. Until then there is nothing here that you may see."
        )
    body = (
        f"{words}<p>{more}</p>"
        '<p><a class="button" href="/">Look again</a></p>'
        '<form method="post" action="/session/signout"><button>Sign out</button></form>'
    )
    return HTMLResponse(_document(title, body, lab_name))


def invitation_page(lab_name: str, offer: Offer, code: str) -> Response:
    """What an invitation offers, and the form that accepts it."""
    roles = "".join(f"<li>{escape(role)}</li>" for role in offer.roles)
    body = (
        f"<p>{escape(offer.invited_by)} invites <strong>{escape(offer.email)}</strong> to be:</p><ul>{roles}</ul>"
        '<form method="post" action="/session/invitation">'
        f'<input type="hidden" name="code" value="{escape(code)}">'
        '<label>Your name, as you sign: <input name="name" required minlength="2" maxlength="120" '
        'autocomplete="name"></label> '
        '<button class="primary">Accept and sign in</button></form>'
        '<p class="quiet">This link works once, for whoever has it. If it was not meant for you, close the page.</p>'
    )
    return HTMLResponse(_document("You are invited", body, lab_name))


def farewell_page(lab_name: str) -> Response:
    """Signed out here; the browser goes on to sign out at the identity provider."""
    body = (
        "<p>You are signed out here. You go on to your identity provider, to sign out there too.</p>"
        '<p><a class="button" href="/session/oidc/leave">Go on</a></p>'
        '<p class="after"><a href="/session/login">Stay signed in there</a></p>'
    )
    answer = HTMLResponse(_document("Signed out", body, lab_name))
    # Not a redirect: browsers hold what follows a form to this portal's own addresses (CSP form-action).
    answer.headers["refresh"] = "0; url=/session/oidc/leave"
    return answer


def _demo_entry(person: Person, roles: str, onward: str) -> str:
    return (
        '<li><form method="post" action="/session/demo">'
        f'<input type="hidden" name="next" value="{escape(onward)}">'
        f'<button name="person_id" value="{escape(person.id)}">{escape(person.name)}'
        f"<span>{escape(roles)}</span></button></form></li>"
    )


def sign_out_page(lab_name: str, provider: str = "") -> Response:
    """Asks before it ends the session, so that a link alone cannot.

    ``provider``: where the account is by which they came, if they can sign out there too.
    """
    buttons = '<form method="post" action="/session/signout"><button class="primary">Sign out</button></form>'
    if provider:
        buttons = (
            f"<p>You came by <strong>{escape(provider)}</strong>. Unless you sign out there too, whoever uses this "
            "browser next comes in as you by one click.</p>"
            '<form method="post" action="/session/signout">'
            f'<button class="primary">Sign out here and at {escape(provider)}</button></form>'
            '<form method="post" action="/session/signout?only=here"><button>Sign out here only</button></form>'
        )
    body = (
        "<p>Your session ends here and now. Access tokens you issued go on working; revoke them on the Tokens page.</p>"
        f'{buttons}<p class="after"><a href="/">Stay signed in</a></p>'
    )
    return HTMLResponse(_document("Sign out?", body, lab_name))


def refusal_page(error: ConcordatError, lab_name: str) -> Response:
    """A refusal, in words."""
    body = (
        f'<p class="note">{escape(error.message)}</p>'
        f"<p>{escape(error.hint)}</p>"
        '<p><a href="/session/login">Go to the sign-in page</a></p>'
    )
    return HTMLResponse(_document("That did not work", body, lab_name), status_code=status_of(error))
