"""Institutions and the keys they sign with."""

from typing import Any

from fastapi import APIRouter

from agreements.canonical import b64encode
from agreements.deciders import Value
from agreements.institutions import Constituency, Institution
from agreements.key_succession import possession_challenge
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId, Reason

router = APIRouter(prefix="/institutions", tags=["institutions"])


class NewInstitution(Value):
    """What is entered about an institution."""

    institution_id: str
    name: str
    constituency: Constituency
    contact_email: str
    country: str = ""


class NewKey(Value):
    """A public key (raw 32 bytes, hex) and its proof of possession (signature over the challenge, hex)."""

    public_key: str
    proof: str
    succession: dict[str, Any] | None = None
    """The DSSE statement by which the institution's own key hands over; needed once it keeps its own."""


class KeptKey(Value):
    """What goes with a key that the portal makes."""

    succession: dict[str, Any] | None = None


class LostKey(Value):
    """A key asked for in place of one that was lost."""

    public_key: str
    proof: str
    reason: str


class Allowance(Value):
    """How it was made sure that the institution asks."""

    note: str


class Challenge(Value):
    """The bytes that a key signs to prove that its private half is at hand."""

    challenge_base64: str


@router.get("", summary="List institutions")
def list_institutions(portal: ThePortal, actor: Signed) -> Listing[Institution]:
    """Everyone who takes part, the lab first."""
    return Listing.whole(portal.institutions.list(actor))


@router.post("", status_code=201, summary="Register an institution")
def register_institution(
    portal: ThePortal, actor: Signed, body: NewInstitution, idempotency_key: IdempotencyKey = None
) -> Institution:
    """Coordinators only."""
    return portal.institutions.register(actor, **dict(body), idempotency_key=idempotency_key)


@router.get("/{institution_id}", summary="Get an institution")
def get_institution(portal: ThePortal, actor: Signed, institution_id: ObjectId) -> Institution:
    """With its keys, revoked ones included. Its weight and a key that it asked for are told to itself and the lab."""
    return portal.institutions.look_up(actor, institution_id)


@router.get("/{institution_id}/keys/challenge", summary="What a key signs to be registered")
def get_key_challenge(portal: ThePortal, _actor: Signed, institution_id: ObjectId, public_key: str) -> Challenge:
    """Bound to institution and key, so that a proof cannot be moved."""
    challenge = possession_challenge(portal.institutions.get(institution_id).id, public_key)
    return Challenge(challenge_base64=b64encode(challenge))


@router.post("/{institution_id}/keys", status_code=201, summary="Register a key the institution keeps itself")
def register_key(portal: ThePortal, actor: Signed, institution_id: ObjectId, body: NewKey) -> Institution:
    """For its partner lead; needs proof of possession, and the word of the own key before it where there was one."""
    return portal.institutions.register_key(actor, institution_id, **dict(body))


@router.post("/{institution_id}/keys/custody", status_code=201, summary="Let the portal keep a key")
def create_custody_key(
    portal: ThePortal, actor: Signed, institution_id: ObjectId, body: KeptKey | None = None
) -> Institution:
    """For its partner lead. The portal signs with it only at the lead's word; every signature says so."""
    return portal.institutions.create_key(
        actor, institution_id, succession=body.succession if body is not None else None
    )


@router.post("/{institution_id}/keys/lost", status_code=201, summary="Ask for a key in place of one that was lost")
def ask_for_key(portal: ThePortal, actor: Signed, institution_id: ObjectId, body: LostKey) -> Institution:
    """For its partner lead. It signs nothing before a coordinator allows it."""
    return portal.institutions.ask_for_key(actor, institution_id, **dict(body))


@router.post("/{institution_id}/keys/{public_key}/allow", summary="Allow a key in place of one that was lost")
def allow_key(
    portal: ThePortal, actor: Signed, institution_id: ObjectId, public_key: ObjectId, body: Allowance
) -> Institution:
    """For coordinators. Every signature by the key says that it came this way."""
    return portal.institutions.allow_key(actor, institution_id, public_key=public_key, note=body.note)


@router.post("/{institution_id}/keys/{public_key}/revoke", summary="Revoke a key")
def revoke_key(
    portal: ThePortal, actor: Signed, institution_id: ObjectId, public_key: ObjectId, body: Reason
) -> Institution:
    """What it signed before stays valid."""
    return portal.institutions.revoke_key(actor, institution_id, public_key=public_key, reason=body.reason)
