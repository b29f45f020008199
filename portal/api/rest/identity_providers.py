"""Identity providers: where institutions' people sign in with their own accounts (OpenID Connect)."""

from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import Field, SecretStr

from agreements.deciders import Value
from agreements.identity_providers import ClientAuthentication, IdentityProvider
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import IdempotencyKey, Listing, ObjectId, Reason
from portal.composition import Portal
from portal.oidc.metadata import ProviderMetadata
from portal.services.ways_in import ProviderUse

router = APIRouter(prefix="/identity-providers", tags=["people"])

Domains = Annotated[tuple[Annotated[str, Field(max_length=190)], ...], Field(max_length=50)]


class ProviderDetails(Value):
    """What may change. ``client_secret`` is kept in a file of the operator's and never shown again."""

    label: Annotated[str, Field(max_length=80)]
    client_id: Annotated[str, Field(max_length=200)]
    domains: Domains
    client_authentication: ClientAuthentication = ClientAuthentication.NONE
    client_secret: SecretStr = SecretStr("")


class NewProvider(ProviderDetails):
    """A provider for an institution. The issuer is exactly what its discovery document names."""

    institution_id: Annotated[str, Field(max_length=128)]
    issuer: Annotated[str, Field(max_length=300)]


class RegisteredProvider(IdentityProvider):
    """A provider, and what to enter there for this portal."""

    redirect_uri: str
    """Where it sends browsers back to; its own, so that no other provider's answer passes for its."""

    @classmethod
    def of(cls, portal: Portal, provider: IdentityProvider) -> Self:
        """The provider as callers see it."""
        return cls(**dict(provider), redirect_uri=portal.oidc.redirect_uri(provider.id))


@router.get("", summary="List identity providers")
def list_identity_providers(portal: ThePortal, actor: Signed) -> Listing[RegisteredProvider]:
    """Every one for coordinators; those of their institutions for everyone else, paused ones for leads alone."""
    return Listing.whole([RegisteredProvider.of(portal, one) for one in portal.identity_providers.list(actor)])


@router.post("", status_code=201, summary="Register an identity provider")
def register_identity_provider(
    portal: ThePortal, actor: Signed, body: NewProvider, idempotency_key: IdempotencyKey = None
) -> RegisteredProvider:
    """For coordinators. Nothing is asked of the provider yet."""
    return RegisteredProvider.of(
        portal,
        portal.identity_providers.register(
            actor,
            institution_id=body.institution_id,
            label=body.label,
            issuer=body.issuer,
            client_id=body.client_id,
            domains=body.domains,
            client_authentication=body.client_authentication,
            client_secret=body.client_secret.get_secret_value(),
            idempotency_key=idempotency_key,
        ),
    )


@router.get("/{provider_id}", summary="Get an identity provider")
def get_identity_provider(portal: ThePortal, actor: Signed, provider_id: ObjectId) -> RegisteredProvider:
    """For coordinators."""
    return RegisteredProvider.of(portal, portal.identity_providers.get(actor, provider_id))


@router.put("/{provider_id}", summary="Change an identity provider")
def change_identity_provider(
    portal: ThePortal, actor: Signed, provider_id: ObjectId, body: ProviderDetails
) -> RegisteredProvider:
    """All but issuer and institution. An empty secret keeps the one there is."""
    return RegisteredProvider.of(
        portal,
        portal.identity_providers.change(
            actor,
            provider_id,
            label=body.label,
            client_id=body.client_id,
            domains=body.domains,
            client_authentication=body.client_authentication,
            client_secret=body.client_secret.get_secret_value(),
        ),
    )


@router.get("/{provider_id}/people", summary="List who signs in by an identity provider")
def list_provider_people(portal: ThePortal, actor: Signed, provider_id: ObjectId) -> ProviderUse:
    """With the sessions that would end, and who has no other way in. For coordinators and the institution's lead."""
    return portal.ways_in.of_provider(actor, provider_id)


@router.post("/{provider_id}/check", summary="Try an identity provider")
def check_identity_provider(portal: ThePortal, actor: Signed, provider_id: ObjectId) -> ProviderMetadata:
    """Asks it now what it says of itself, and for its keys. What came of it stays with the provider as ``tried``."""
    return portal.identity_providers.check(actor, provider_id)


@router.post("/{provider_id}/pause", summary="Pause an identity provider")
def pause_identity_provider(
    portal: ThePortal, actor: Signed, provider_id: ObjectId, body: Reason
) -> RegisteredProvider:
    """Nobody signs in through it, and its sessions end."""
    return RegisteredProvider.of(portal, portal.identity_providers.pause(actor, provider_id, reason=body.reason))


@router.post("/{provider_id}/resume", summary="Resume an identity provider")
def resume_identity_provider(portal: ThePortal, actor: Signed, provider_id: ObjectId) -> RegisteredProvider:
    """People sign in through it again."""
    return RegisteredProvider.of(portal, portal.identity_providers.resume(actor, provider_id))


@router.post("/{provider_id}/remove", summary="Remove an identity provider")
def remove_identity_provider(
    portal: ThePortal, actor: Signed, provider_id: ObjectId, body: Reason
) -> RegisteredProvider:
    """For good; its sessions end and its secret is forgotten."""
    return RegisteredProvider.of(portal, portal.identity_providers.remove(actor, provider_id, reason=body.reason))
