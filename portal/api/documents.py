"""The few pages that are not screens: signing in and out, and refusals on the way. No script, one style sheet."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Final

from starlette.responses import HTMLResponse, Response

from agreements.errors import ConcordatError
from agreements.people import Person
from portal.api.errors import status_of

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


def sign_in_page(lab_name: str, demo: Sequence[tuple[Person, str]], onward: str) -> Response:
    """How to sign in. ``demo``: whom a demonstration lets in, each with their roles in words."""
    body = [
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


def _demo_entry(person: Person, roles: str, onward: str) -> str:
    return (
        '<li><form method="post" action="/session/demo">'
        f'<input type="hidden" name="next" value="{escape(onward)}">'
        f'<button name="person_id" value="{escape(person.id)}">{escape(person.name)}'
        f"<span>{escape(roles)}</span></button></form></li>"
    )


def sign_out_page(lab_name: str) -> Response:
    """Asks before it ends the session, so that a link alone cannot."""
    body = (
        "<p>Your session ends here and now. Access tokens you issued go on working; revoke them on the Tokens page.</p>"
        '<form method="post" action="/session/signout"><button class="primary">Sign out</button></form>'
        '<p class="after"><a href="/">Stay signed in</a></p>'
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
