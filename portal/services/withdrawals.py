"""Which changes take access away, and what they are called."""

from typing import Any

from agreements.actors import Actor
from agreements.agreement import Agreement
from agreements.credentials import Credential, CredentialKind
from agreements.deciders import Event
from portal.store import Change

_CALLED = {
    "grant:revoked": "Grant revoked",
    "grant:suspended": "Grant suspended",
    "grant:narrowed": "Grant narrowed",
    "agreement:suspended": "Agreement suspended",
    "agreement:narrowed": "Agreement narrowed",
    "agreement:ended": "Agreement ended",
    "program:suspended": "Program suspended",
    "program:ended": "Program ended",
    "passport:revoked": "Vetting revoked",
    "person:deactivated": "Person deactivated",
    "person:membership_removed": "Membership removed",
    "person:role_changed": "Role changed",
    "checkpoint:stage_changed": "Checkpoint recalled or retired",
    "checkpoint:halted": "Checkpoint halted",
    "token_keys:rotated": "Signing key compromised",
    "token_keys:withdrawn": "Signing key withdrawn",
    "identity_provider:paused": "Identity provider paused",
    "identity_provider:removed": "Identity provider removed",
    "credential:ended": "Token or session ended",
}
_STAGES = ("withheld", "partner_access", "public")


def called(change: Change) -> str | None:
    """What the change is called if it takes access away at once; None if it does not.

    A suspension with notice takes nothing yet. A token that is replaced by another is nobody's loss, and who signs out
    by themselves loses nothing that they wanted.
    """
    events = [(append.stream, event) for append in change.request.appends for event in append.events]
    if any(event.type_name == "credential:issued" for _, event in events):
        return None
    for stream, event in events:
        name = _CALLED.get(event.type_name)
        if name is not None and _at_once(change, stream, event):
            return name
    return None


def losing(change: Change) -> tuple[str, ...]:
    """The streams that lose something by it, in the order in which they were written."""
    return tuple(
        dict.fromkeys(
            append.stream
            for append in change.request.appends
            for event in append.events
            if event.type_name in _CALLED and _at_once(change, append.stream, event)
        )
    )


def _at_once(change: Change, stream: str, event: Event) -> bool:
    before, after = change.before[stream].state, change.after[stream].state
    at = change.request.at
    match event.type_name:
        case "agreement:suspended":
            return isinstance(after, Agreement) and not after.in_force_on(at)
        case "checkpoint:stage_changed":
            return _rank(after) < _rank(before)
        case "token_keys:rotated":
            return bool(getattr(event, "reason", ""))
        case "credential:ended":
            return isinstance(before, Credential) and _ended_by_others(before, change.request.actor)
        case _:
            return True


def _ended_by_others(credential: Credential, by: Actor) -> bool:
    if credential.kind is CredentialKind.SESSION:
        return not by.is_automatic and by.person_id != credential.person_id
    return credential.kind is not CredentialKind.SIGN_IN_LINK


def _rank(checkpoint: Any) -> int:
    return _STAGES.index(checkpoint.stage.value) if checkpoint.stage.value in _STAGES else -1
