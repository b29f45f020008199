"""Programs of institutions: OAuth clients that ask for tokens by themselves."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from agreements.deciders import Value
from agreements.programs import Program
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId, Reason

router = APIRouter(prefix="/programs", tags=["programs"])


class KeySet(Value):
    """A JWK set (RFC 7517) of public keys for Ed25519 or ES256."""

    keys: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=10)]


class NewProgram(Value):
    """Whose it is, what it is called, whom to write to, and the keys it signs with."""

    institution_id: str
    name: str
    contact: str
    jwks: KeySet


class NewKeys(Value):
    """All its keys from now on."""

    jwks: KeySet


@router.get("", summary="List programs")
def list_programs(portal: ThePortal, actor: Signed) -> Listing[Program]:
    """Of one's own institutions; everyone's for coordinators."""
    return Listing.whole(portal.programs.list(actor))


@router.post("", status_code=201, summary="Register a program")
def register_program(
    portal: ThePortal, actor: Signed, body: NewProgram, idempotency_key: IdempotencyKey = None
) -> Program:
    """For a partner lead of the institution or a coordinator. The id is its OAuth `client_id`."""
    return portal.programs.register(
        actor,
        institution_id=body.institution_id,
        name=body.name,
        contact=body.contact,
        jwks=body.jwks.model_dump(),
        idempotency_key=idempotency_key,
    )


@router.get("/{program_id}", summary="Get a program")
def get_program(portal: ThePortal, actor: Signed, program_id: ObjectId) -> Program:
    """With its public keys."""
    return portal.programs.get(actor, program_id)


@router.post("/{program_id}/keys", summary="Replace a program's keys")
def replace_program_keys(portal: ThePortal, actor: Signed, program_id: ObjectId, body: NewKeys) -> Program:
    """What another key signs is refused from the next request on; to rotate, name old and new together first."""
    return portal.programs.replace_keys(actor, program_id, jwks=body.jwks.model_dump())


@router.post("/{program_id}/suspend", summary="Suspend a program")
def suspend_program(portal: ThePortal, actor: Signed, program_id: ObjectId, body: Reason) -> Program:
    """It and its tokens are refused until it is resumed."""
    return portal.programs.suspend(actor, program_id, reason=body.reason)


@router.post("/{program_id}/resume", summary="Resume a program")
def resume_program(portal: ThePortal, actor: Signed, program_id: ObjectId) -> Program:
    """Its tokens that are in time work again."""
    return portal.programs.resume(actor, program_id)


@router.post("/{program_id}/end", summary="End a program for good")
def end_program(portal: ThePortal, actor: Signed, program_id: ObjectId, body: Reason) -> Program:
    """It and its tokens are refused for good."""
    return portal.programs.end(actor, program_id, reason=body.reason)
