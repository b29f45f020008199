"""What a running demonstration hands out: fresh sign-in links and tokens, on screen and in ``demo.json``."""

import json
import os
from pathlib import Path
from typing import Final

from agreements.actors import Actor, Channel
from agreements.deciders import Value
from agreements.errors import NotFound
from agreements.people import Person
from portal.composition import Portal
from portal.demo.cast import SIGN_IN
from portal.services.grant_views import GrantView

FILE_NAME: Final = "demo.json"
TOKEN_ROLES: Final = ("coordinator", "partner", "researcher")
PREFERRED_PURPOSE: Final = "misuse-analysis"

_GREETER = Actor.automatic("demo")
"""The named rule that hands links out."""


class Handout(Value):
    """``demo.json``: how to get in, by browser and by program."""

    base_url: str
    sign_in: dict[str, str]
    """One-time sign-in links by role."""
    tokens: dict[str, str]
    """Access tokens by role, good on ``/v1`` and ``/api``, each within its role."""
    checkpoints: tuple[str, ...]
    """Smallest first."""
    log_vkey: str

    def write(self, data_dir: Path) -> Path:
        """Put it into the data folder, readable by its owner alone: it opens doors."""
        path = data_dir / FILE_NAME
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(self.model_dump(mode="json"), file, indent=2)
            file.write("\n")
        part.replace(path)
        return path


def hand_out(portal: Portal) -> Handout:
    """Fresh links and tokens for the demonstration's people."""
    people = _people(portal)
    return Handout(
        base_url=portal.settings.url,
        sign_in={role: portal.sign_in.issue_link(_GREETER, person.id) for role, person in people.items()},
        tokens={role: _token(portal, people[role]) for role in TOKEN_ROLES},
        checkpoints=tuple(
            view.checkpoint.id
            for view in sorted(
                portal.checkpoints.list(people["coordinator"].actor(Channel.SCREEN)),
                key=lambda view: view.checkpoint.parameters,
            )
        ),
        log_vkey=portal.log.vkey,
    )


def _people(portal: Portal) -> dict[str, Person]:
    """Who each role is. Raises NotFound ``not_a_demo`` for a portal with other people in it."""
    coordinators = portal.people.coordinator_ids()
    if coordinators:
        reader = portal.people.get(coordinators[0]).actor(Channel.AUTOMATIC)
        by_email = {person.email: person for person in portal.people.list(reader)}
        if all(email in by_email for email in SIGN_IN.values()):
            return {role: by_email[email] for role, email in SIGN_IN.items()}
    raise NotFound(
        "not_a_demo",
        "The people of the demonstration are not in this portal.",
        hint="Use another folder, or start over with --fresh.",
    )


def _token(portal: Portal, person: Person) -> str:
    """A token for all of the person's role: held to no grant, it signs too, and runs on whichever grant allows it."""
    actor = person.actor(Channel.AUTOMATIC)
    view = _widest(portal, actor)
    purpose: str | None = None
    if view is not None and view.grant.scope is not None:
        purposes = view.grant.scope.purposes
        purpose = PREFERRED_PURPOSE if PREFERRED_PURPOSE in purposes else min(purposes)
    return portal.tokens.issue(actor, label="demonstration", purpose=purpose).token


def _widest(portal: Portal, actor: Actor) -> GrantView | None:
    """The person's grant with the largest budget, if they have one that opens anything."""
    own = [view for view in portal.grants.list(actor) if view.active and actor.belongs_to(view.grant.institution_id)]
    return max(own, key=lambda view: view.left_tokens, default=None)
