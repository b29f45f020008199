"""What each role lets somebody do, and what a change of roles means for one person, in words."""

from collections.abc import Collection
from typing import Final

from agreements.actors import LAB, Membership, Role
from agreements.people import Person
from portal.pages.frame import institution_name
from portal.pages.words import count, literal
from portal.services.person_consequences import RoleConsequences

_READS: Final = "read what their institution may read"
_CONTRIBUTES: Final = ("file findings or propose norms", "use the screens of models, runs and tokens")
_PARTY: Final = "use the screens of agreements, duties, grants and vetting"

DOES: Final[dict[Role, tuple[str, ...]]] = {
    Role.COORDINATOR: (
        "act for the lab on agreements, grants, institutions, people or release decisions",
        _PARTY,
        *_CONTRIBUTES,
        _READS,
    ),
    Role.PARTNER_LEAD: (
        "sign for the institution, take its positions on norms or give it keys",
        "delegate its grants, or change and end what was delegated",
        "let people in, invite them or change their roles",
        _PARTY,
        *_CONTRIBUTES,
        _READS,
    ),
    Role.PARTNER_MEMBER: (_PARTY, *_CONTRIBUTES, _READS),
    Role.RESEARCHER: (*_CONTRIBUTES, _READS),
    Role.OBSERVER: (_READS,),
}
"""What a role lets somebody do at its institution, the most binding first."""

_MOST_NAMED: Final = 8


def titled(membership: Membership) -> str:
    """A role with its institution, as Markdown."""
    return literal(f"{membership.role.label}, {institution_name(membership.institution_id)}")


def placed(membership: Membership) -> str:
    """The same within a sentence: ``partner lead at Northgate University``."""
    return literal(f"{membership.role.label} at {institution_name(membership.institution_id)}")


def difference(before: Role | None, after: Role | None) -> str:
    """What somebody may not do any more, and what anew, as Markdown lines; empty where nothing differs."""
    had, has = (DOES[role] if role else () for role in (before, after))
    lost, gained = [one for one in had if one not in has], [one for one in has if one not in had]
    lines = [f"- May no longer {one}." for one in lost] + [f"- May from now on {one}." for one in gained]
    return "\n".join(lines)


def told(person: Person, found: RoleConsequences) -> str:
    """What stops with a change of roles, as Markdown lines."""
    lines = []
    if found.leaves:
        lines.append("Can no longer sign in. What they did stays theirs, and their e-mail address is free for another.")
    if found.sessions:
        ending = f"{count(found.sessions, 'open session')} {'ends' if found.sessions == 1 else 'end'}"
        because = f": {literal(found.provider)} does not speak for somebody with those roles" if found.provider else ""
        lines.append(f"{ending}{because}.")
    if found.links:
        lines.append(f"{count(found.links, 'sign-in link')} not used yet opens nothing any more.")
    if found.tokens:
        lines.append(f"{count(found.tokens, 'access token')} {'is' if found.tokens == 1 else 'are'} refused.")
    if found.grants:
        named = _listed([f"{one.label} ({one.grant_id})" for one in found.grants])
        lines.append(
            f"{count(len(found.grants), 'grant')} in their name opens nothing any more, until it is revoked or "
            f"delegated anew: {named}."
        )
    if found.agreements:
        named = _listed([f"{one.title} ({one.agreement_id})" for one in found.agreements])
        lines.append(f"Agreements go on naming them, and need an amendment for somebody in their place: {named}.")
    if found.invitations:
        lines.append(f"Invitations they sent open nothing any more: {_listed(list(found.invitations))}.")
    lines += [f"**{literal(institution_name(one))} is left without a partner lead.**" for one in found.without_lead]
    if not lines:
        lines.append("Sessions, tokens and grants go on as they are.")
    return "\n".join(f"- {line}" for line in lines)


def acceptance(found: RoleConsequences) -> str:
    """What has to be accepted before an institution is left without its lead; empty where none is."""
    if not found.without_lead:
        return ""
    names = ", ".join(literal(institution_name(one)) for one in found.without_lead)
    return (
        f"{names} is to be without a partner lead: until it has another, nobody signs for it, delegates its grants, or "
        "lets its people in."
    )


def stuck(found: RoleConsequences) -> str:
    """Why nobody can do this, as Markdown; empty where somebody can."""
    if found.without_coordinator:
        return "Nobody else coordinates. Make somebody else a coordinator first: a portal without one is led by nobody."
    return ""


def is_lab(membership: Membership) -> bool:
    """Whether the role is one at the lab."""
    return membership.institution_id == LAB


def _listed(names: Collection[str]) -> str:
    shown = [literal(one) for one in list(names)[:_MOST_NAMED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
