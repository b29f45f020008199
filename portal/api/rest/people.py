"""People, and the one-time links by which they sign in."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from agreements.actors import Actor, Membership, Role
from agreements.deciders import Value
from agreements.people import Person, PersonState
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId, Reason
from portal.composition import Portal
from portal.services.people_filters import PeopleFilters
from portal.services.person_consequences import RoleConsequences
from portal.spreadsheets import csv_text

router = APIRouter(prefix="/people", tags=["people"])


class NewPerson(Value):
    """Who is to be let in, and as what."""

    name: str
    email: str
    memberships: Annotated[tuple[Membership, ...], Field(max_length=20)]


class SignInLink(Value):
    """A link that signs in once. It is shown here and nowhere else."""

    person_id: str
    url: str


Search = Annotated[str, Query(max_length=200, description="Words of the name or the e-mail address.")]
OfInstitution = Annotated[str | None, Query(max_length=128, description="Where they have a role, or wait for one.")]
OfRole = Annotated[Role | None, Query(description="What they are there.")]
OfState = Annotated[
    PersonState | None, Query(description="By default those who were let in, whether or not they may still sign in.")
]


def _found(portal: Portal, actor: Actor, filters: PeopleFilters) -> tuple[Person, ...]:
    everyone = filters.of(portal.people.directory(actor))
    return everyone if filters.state is not None else tuple(one for one in everyone if one.pending is None)


@router.get("", summary="List people")
def list_people(
    portal: ThePortal,
    actor: Signed,
    q: Search = "",
    institution: OfInstitution = None,
    role: OfRole = None,
    state: OfState = None,
) -> Listing[Person]:
    """Everyone for coordinators, one's own institutions for everyone else."""
    filters = PeopleFilters(text=q, institution_id=institution, role=role, state=state)
    return Listing.whole(_found(portal, actor, filters))


@router.get(
    "/list.csv",
    summary="Download the list of people",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "CSV (RFC 4180), a line for each role."}},
)
def download_people(
    portal: ThePortal,
    actor: Signed,
    q: Search = "",
    institution: OfInstitution = None,
    role: OfRole = None,
    state: OfState = None,
) -> Response:
    """Whom the list shows, and those who wait. Last sign-ins are of those whom you govern."""
    filters = PeopleFilters(text=q, institution_id=institution, role=role, state=state)
    people = filters.of(portal.people.directory(actor))
    last = portal.sessions.last_sign_ins(actor, people)
    rows = [
        [
            person.id,
            person.name,
            person.email,
            person.state.value,
            place,
            what,
            person.registered_at.isoformat() if person.registered_at else "",
            last[person.id].isoformat() if person.id in last else "",
        ]
        for person in people
        for place, what in _roles(person)
    ]
    columns = ("id", "name", "email", "state", "institution", "role", "added", "last_sign_in")
    return Response(
        csv_text(columns, rows),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="people.csv"'},
    )


def _roles(person: Person) -> list[tuple[str, str]]:
    if person.pending is not None:
        return [(person.pending.institution_id, "")]
    return [(one.institution_id, one.role.value) for one in person.memberships]


@router.post("", status_code=201, summary="Register a person")
def register_person(
    portal: ThePortal, actor: Signed, body: NewPerson, idempotency_key: IdempotencyKey = None
) -> Person:
    """For coordinators, and for partner leads within their own institution."""
    pairs = [(membership.institution_id, membership.role) for membership in body.memberships]
    return portal.people.register(
        actor, name=body.name, email=body.email, memberships=pairs, idempotency_key=idempotency_key
    )


class Leaving(Reason):
    """Why, and whether an institution is to be without a partner lead afterwards."""

    without_lead: bool = False


class Approval(Value):
    """As what somebody who waits is let in."""

    role: Role


class RemovedMembership(Leaving):
    """Which role is taken."""

    membership: Membership


class ChangedRole(Value):
    """What somebody is at an institution, and what they are to be."""

    institution_id: Annotated[str, Field(max_length=128)]
    before: Role
    after: Role
    without_lead: bool = False


@router.get("/waiting", summary="List who waits to be let in")
def list_waiting_people(portal: ThePortal, actor: Signed) -> Listing[Person]:
    """Whom you may answer: of your own institution as its partner lead, everyone as a coordinator."""
    return Listing.whole(portal.people.waiting(actor))


@router.get("/{person_id}", summary="Get a person")
def get_person(portal: ThePortal, actor: Signed, person_id: ObjectId) -> Person:
    """Someone of one's own institutions; anyone, for coordinators."""
    return portal.people.visible(actor, person_id)


@router.post("/{person_id}/deactivate", summary="Stop a person from signing in")
def deactivate_person(portal: ThePortal, actor: Signed, person_id: ObjectId, body: Leaving) -> Person:
    """Their sessions, links and tokens end with it, for good."""
    return portal.people.deactivate(actor, person_id, reason=body.reason, without_lead=body.without_lead)


@router.post("/{person_id}/reactivate", summary="Let a person sign in again")
def reactivate_person(portal: ThePortal, actor: Signed, person_id: ObjectId, body: Reason) -> Person:
    """With the roles they had; they sign in anew."""
    return portal.people.reactivate(actor, person_id, reason=body.reason)


@router.post("/{person_id}/approve", summary="Let in somebody who waits")
def approve_membership(portal: ThePortal, actor: Signed, person_id: ObjectId, body: Approval) -> Person:
    """For the institution's partner lead and coordinators."""
    return portal.people.approve(actor, person_id, role=body.role)


@router.post("/{person_id}/refuse", summary="Refuse somebody who waits")
def refuse_membership(portal: ThePortal, actor: Signed, person_id: ObjectId, body: Reason) -> Person:
    """They see the reason."""
    return portal.people.refuse(actor, person_id, reason=body.reason)


@router.post("/{person_id}/memberships", status_code=201, summary="Give a person a role")
def add_membership(portal: ThePortal, actor: Signed, person_id: ObjectId, body: Membership) -> Person:
    """It counts from their next request on."""
    return portal.people.add_membership(actor, person_id, institution_id=body.institution_id, role=body.role)


@router.post("/{person_id}/memberships/change", summary="Change a person's role")
def change_role(portal: ThePortal, actor: Signed, person_id: ObjectId, body: ChangedRole) -> Person:
    """It counts from their next request on."""
    return portal.people.change_role(actor, person_id, **body.model_dump())


@router.post("/{person_id}/memberships/remove", summary="Take a role from a person")
def remove_membership(portal: ThePortal, actor: Signed, person_id: ObjectId, body: RemovedMembership) -> Person:
    """It counts from their next request on."""
    return portal.people.remove_membership(
        actor,
        person_id,
        institution_id=body.membership.institution_id,
        role=body.membership.role,
        reason=body.reason,
        without_lead=body.without_lead,
    )


class LeftWith(Value):
    """The roles that somebody would be left with; none stands for deactivating the person."""

    memberships: Annotated[tuple[Membership, ...], Field(max_length=20)] = ()


@router.post("/{person_id}/consequences", summary="Preview a change of a person's roles")
def preview_roles(portal: ThePortal, actor: Signed, person_id: ObjectId, body: LeftWith) -> RoleConsequences:
    """What would stop: sessions, tokens, grants in their name, invitations. Changes nothing."""
    return portal.person_consequences.if_left_with(actor, person_id, body.memberships)


@router.post("/{person_id}/sign-in-link", status_code=201, summary="Issue a one-time sign-in link")
def issue_sign_in_link(portal: ThePortal, actor: Signed, person_id: ObjectId) -> SignInLink:
    """Coordinators only; hand it to the person over a channel you trust."""
    return SignInLink(person_id=person_id, url=portal.sign_in.issue_link(actor, person_id))
