"""What stands on the paper of an agreement: the signed text, what software does about it, and who signed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agreements.actors import PartyKind
from agreements.agreement import Agreement, AgreementStatus, Version, VersionStatus
from agreements.clauses import DataField, EffectKind
from agreements.deciders import Value
from agreements.institutions import Custody, InstitutionKey
from agreements.keys import PublicKey

_SUPERSEDED = frozenset({VersionStatus.SUPERSEDED, VersionStatus.REPLACED})
_NOT_YET = frozenset({VersionStatus.DRAFT, VersionStatus.OFFERED, VersionStatus.COUNTERED, VersionStatus.SIGNED})


class PaperEffect(Value):
    """What software does about a clause."""

    kind: EffectKind
    summary: str


class PaperClause(Value):
    """One clause as people read it."""

    title: str
    kind: str
    text: str
    data: tuple[DataField, ...]
    """All of it, cited in the text or not: this is what software follows."""
    effects: tuple[PaperEffect, ...]


class PaperSignature(Value):
    """One signature, as the signature page shows it."""

    party: PartyKind
    signer_name: str
    role: str
    key_id: str
    custody: Custody | None
    """Where the key lives, if that is known."""
    origin: str = ""
    """How the key came."""
    signed_at: datetime
    document_digest: str


class PaperPlace(Value):
    """A place for a signature: filled, or still empty."""

    party: PartyKind
    role: str
    signature: PaperSignature | None = None


class AgreementPaper(Value):
    """Everything on the paper. Equal papers give equal bytes."""

    document: dict[str, Any]
    digest: str | None
    """What both sign; None for a draft, which may still change."""
    status: str
    """As people read it."""
    mark: str | None = None
    """A word across every page, for a text that does not govern."""
    clauses: tuple[PaperClause, ...]
    places: tuple[PaperPlace, ...]
    tabled_at: datetime | None = None
    effective_at: datetime | None = None
    ends_at: datetime | None = None
    replaces: str | None = None
    """The digest of the version that this one replaces."""

    @property
    def agreement_id(self) -> str:
        """The agreement's id."""
        return str(self.document["agreement_id"])

    @property
    def title(self) -> str:
        """How it is called."""
        return str(self.document["title"])

    @property
    def version(self) -> int:
        """The number of the version, from 1."""
        return int(self.document.get("version", 1))

    @property
    def latest(self) -> datetime | None:
        """When the last thing happened that the paper tells of."""
        signed = [place.signature.signed_at for place in self.places if place.signature]
        return max([*signed, *filter(None, (self.tabled_at, self.effective_at))], default=None)

    def party(self, kind: PartyKind) -> tuple[str, str]:
        """A party's name and id."""
        party = self.document["parties"][kind.value]
        return str(party["name"]), str(party["id"])

    @classmethod
    def of(
        cls, agreement: Agreement, version: Version, now: datetime, keys: Mapping[str, InstitutionKey]
    ) -> "AgreementPaper":
        """The paper of one version as it stands at ``now``. ``keys``: those on record, by public key (hex)."""
        governs = version.status is VersionStatus.IN_FORCE
        status = agreement.status_on(now)
        signed = [
            PaperSignature(
                party=one.party,
                signer_name=one.signer_name,
                role=one.role,
                key_id=PublicKey.from_raw(bytes.fromhex(one.public_key)).key_id,
                custody=keys[one.public_key].custody if one.public_key in keys else None,
                origin=keys[one.public_key].origin if one.public_key in keys else "",
                signed_at=one.signed_at,
                document_digest=one.document_digest,
            )
            for one in version.signatures
        ]
        places = tuple(
            PaperPlace(party=place.party, role=place.role, signature=signed[n] if n < len(signed) else None)
            for n, place in enumerate(version.order)
        )
        return cls(
            document=agreement.document(version.number),
            digest=version.digest,
            status=status.label if governs or version is agreement.shown else version.status.label,
            mark=_mark(version, status),
            clauses=tuple(
                PaperClause(
                    title=clause.title,
                    kind=clause.kind.replace("_", " "),
                    text=clause.rendered(),
                    data=clause.data_fields(),
                    effects=tuple(PaperEffect(kind=one.kind, summary=one.summary) for one in clause.effects()),
                )
                for clause in version.clauses
            ),
            places=places,
            tabled_at=version.tabled_at,
            effective_at=version.effective_at,
            ends_at=agreement.ends_at if governs else version.replaced_at,
            replaces=version.amends,
        )


def _mark(version: Version, status: AgreementStatus) -> str | None:
    if version.status in _SUPERSEDED:
        return "SUPERSEDED"
    if version.status in {VersionStatus.DECLINED, VersionStatus.WITHDRAWN}:
        return version.status.value.upper()
    if status in {AgreementStatus.DECLINED, AgreementStatus.WITHDRAWN}:
        return status.value.upper()
    if version.status in _NOT_YET:
        return "DRAFT"
    # Closed is what follows on termination or expiry; either way it governs no more.
    if status in {AgreementStatus.TERMINATED, AgreementStatus.CLOSED}:
        return "TERMINATED"
    return status.value.upper() if status in {AgreementStatus.EXPIRED, AgreementStatus.SUSPENDED} else None
