"""The store's view of invitations, identity providers and identities."""

from collections.abc import Sequence

from agreements.identities import IDENTITY, Identity
from agreements.identity_providers import IDENTITY_PROVIDER, IdentityProvider, ProviderStatus
from agreements.invitations import INVITATION, Invitation
from portal.services.aggregates import stamp
from portal.store import Aggregate, Row


def _invitation(object_id: str, _version: int, state: Invitation) -> Sequence[Row]:
    return [
        Row(
            "invitation",
            {
                "invitation_id": object_id,
                "email": state.email.casefold(),
                "code_id": state.code_id,
                "status": state.status.value,
                "invited_at": stamp(state.invited_at),
            },
        )
    ]


def _identity(object_id: str, _version: int, state: Identity) -> Sequence[Row]:
    return [
        Row(
            "identity",
            {"identity_id": object_id, "provider_id": state.provider_id, "person_id": state.person_id},
        )
    ]


def _provider(object_id: str, _version: int, state: IdentityProvider) -> Sequence[Row]:
    provider = Row(
        "identity_provider",
        {
            "provider_id": object_id,
            "institution_id": state.institution_id,
            "issuer": state.issuer,
            "status": state.status.value,
            "registered_at": stamp(state.registered_at),
        },
    )
    if state.status is ProviderStatus.REMOVED:
        return [provider]
    domains = [
        Row("identity_provider_domain", {"provider_id": object_id, "domain": domain}) for domain in state.domains
    ]
    return [provider, *domains]


INVITATIONS = Aggregate(decider=INVITATION, state_type=Invitation, project=_invitation)
IDENTITIES = Aggregate(decider=IDENTITY, state_type=Identity, project=_identity)
IDENTITY_PROVIDERS = Aggregate(decider=IDENTITY_PROVIDER, state_type=IdentityProvider, project=_provider)
