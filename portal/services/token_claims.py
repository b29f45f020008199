"""Records as tokens: the claims that a token carries, and whether one says what its record says."""

from datetime import datetime

from agreements.credentials import Credential
from agreements.tokens import AccessClaims, ActingParty, AuthorizationDetails, Confirmation


def claims_of(record: Credential, *, issuer: str, audience: str, agreement_digest: str | None) -> AccessClaims:
    """What the token of a record says."""
    return AccessClaims(
        iss=issuer,
        aud=audience,
        sub=record.subject_id,
        client_id=record.person_id,
        iat=int(moment(record.issued_at).timestamp()),
        exp=int(moment(record.expires_at).timestamp()),
        jti=record.id,
        scope=_scope_of(record),
        cnf=Confirmation(jkt=record.key_thumbprint) if record.key_thumbprint else None,
        act=_act_of(record),
        authorization_details=(
            AuthorizationDetails.of(
                record.narrowing, grant_id=record.grant_id, agreement_digest=agreement_digest, purpose=record.purpose
            ),
        ),
    )


def says_the_same(claims: AccessClaims, record: Credential) -> bool:
    """Whether a token says what its record says."""
    return (
        (claims.sub, claims.holder) == (record.subject_id, record.person_id)
        and claims.details.grant_id == record.grant_id
        and claims.scope == _scope_of(record)
        and (claims.cnf.jkt if claims.cnf else None) == record.key_thumbprint
        and claims.details.narrowing() == record.narrowing
    )


def moment(recorded: datetime | None) -> datetime:
    """A time that every issued credential has."""
    if recorded is None:
        raise TypeError("an issued credential has its times")
    return recorded


def _scope_of(record: Credential) -> str | None:
    return None if record.areas is None else " ".join(area.value for area in record.areas)


def _act_of(record: Credential) -> ActingParty | None:
    """Who acts for the subject: the holder, and inside it those through whose hands the token went."""
    party: ActingParty | None = None
    for holder in (*record.granted_by[1:], *((record.person_id,) if record.granted_by else ())):
        party = ActingParty(sub=holder, act=party)
    return party
