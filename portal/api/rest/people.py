"""People, and the one-time links by which they sign in."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from agreements.actors import Actor, Membership
from agreements.deciders import Value
from agreements.errors import NotFound
from agreements.people import Person
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId, Reason
from portal.composition import Portal

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


@router.get("", summary="List people")
def list_people(portal: ThePortal, actor: Signed) -> Listing[Person]:
    """Everyone for coordinators, one's own institutions for everyone else."""
    return Listing.whole(portal.people.list(actor))


@router.post("", status_code=201, summary="Register a person")
def register_person(
    portal: ThePortal, actor: Signed, body: NewPerson, idempotency_key: IdempotencyKey = None
) -> Person:
    """For coordinators, and for partner leads within their own institution."""
    pairs = [(membership.institution_id, membership.role) for membership in body.memberships]
    return portal.people.register(
        actor, name=body.name, email=body.email, memberships=pairs, idempotency_key=idempotency_key
    )


@router.get("/{person_id}", summary="Get a person")
def get_person(portal: ThePortal, actor: Signed, person_id: ObjectId) -> Person:
    """Someone of one's own institutions; anyone, for coordinators."""
    return _visible(portal, actor, person_id)


@router.post("/{person_id}/deactivate", summary="Stop a person from signing in")
def deactivate_person(portal: ThePortal, actor: Signed, person_id: ObjectId, body: Reason) -> Person:
    """Their sessions and tokens stop with it."""
    _visible(portal, actor, person_id)
    return portal.people.deactivate(actor, person_id, reason=body.reason)


@router.post("/{person_id}/sign-in-link", status_code=201, summary="Issue a one-time sign-in link")
def issue_sign_in_link(portal: ThePortal, actor: Signed, person_id: ObjectId) -> SignInLink:
    """Coordinators only; hand it to the person over a channel you trust."""
    return SignInLink(person_id=person_id, url=portal.sign_in.issue_link(actor, person_id))


def _visible(portal: Portal, actor: Actor, person_id: str) -> Person:
    for person in portal.people.list(actor):
        if person.id == person_id:
            return person
    raise NotFound("person_not_found", f"There is no person {person_id!r} that you may see.")
