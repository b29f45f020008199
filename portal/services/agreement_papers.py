"""Agreements to take away: the paper to read, and the bundle that proves itself offline."""

from collections.abc import Sequence

from agreements.actors import LAB, Actor, PartyKind
from agreements.agreement import Agreement, Version
from agreements.agreement.events import (
    AgreementCountered,
    AgreementEnteredIntoForce,
    AgreementOffered,
    AgreementSigned,
)
from agreements.bundle import KeyOwner, KeyRecord, SignedVersion, Signer, build_bundle, keys_told
from agreements.deciders import Event
from agreements.errors import Conflict
from agreements.institutions import InstitutionKeyRegistered, InstitutionKeyRevoked
from portal.papers.paper import AgreementPaper
from portal.services.aggregates import AGREEMENTS, INSTITUTIONS
from portal.services.agreements import AgreementService
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel

_PAGE = 500


class AgreementPapers:
    """Makes papers and bundles for whoever may see an agreement; writes nothing."""

    def __init__(self, kernel: Kernel, agreements: AgreementService, institutions: InstitutionService) -> None:
        self._kernel = kernel
        self._agreements = agreements
        self._institutions = institutions

    def pdf(self, actor: Actor, agreement_id: str, *, version: int | None = None) -> bytes:
        """The agreement to read, as PDF: the version it stands for, or another.

        Raises NotFound for an agreement or a version that the actor may not see.
        """
        agreement = self._agreements.get(actor, agreement_id)
        chosen = agreement.shown if version is None else agreement.version(version)
        return self._pdf(agreement, chosen)

    def bundle(self, actor: Actor, agreement_id: str) -> bytes:
        """The agreement as a file that proves itself: every version that was in force, with all that shows it.

        Raises NotFound for an agreement the actor may not see, Conflict ``never_in_force`` before all have signed.
        """
        agreement = self._agreements.get(actor, agreement_id)
        versions = agreement.history
        if not versions:
            raise Conflict(
                "never_in_force",
                f"Agreement {agreement.id} was never in force: there are not yet signatures of both sides to prove.",
                hint="Take the PDF or the JSON document until everybody has signed.",
            )
        log = self._kernel.store.log
        # Keys and evidence of them are read once: a key that comes meanwhile is in both or in neither.
        ours, theirs = self._key_events(LAB), self._key_events(agreement.institution_id)
        digests = {version.digest for version in versions}
        told = [one for one in self._history(AGREEMENTS.decider.stream(agreement.id)) if _tells_of(one[1], digests)]
        return build_bundle(
            [_signed(agreement, version) for version in versions],
            pdf=self._pdf(agreement, versions[-1]),
            keys=KeyRecord(
                institution=_owner(agreement.institution_id, agreement.institution_name, theirs),
                lab=_owner(LAB, agreement.lab_name, ours),
                log_vkey=log.vkey,
            ),
            evidence=[log.evidence(position) for position, _ in (*told, *theirs, *ours)],
            made_at=self._kernel.clock(),
            lab_key=self._kernel.lab_key,
        )

    def _pdf(self, agreement: Agreement, version: Version) -> bytes:
        # Late, because setting type is heavy and most processes never do.
        from portal.papers.agreement_pdf import agreement_pdf

        owners = (agreement.institution_id, LAB)
        keys = {key.public_key: key for owner in owners for key in self._institutions.get(owner).keys}
        return agreement_pdf(AgreementPaper.of(agreement, version, self._kernel.clock(), keys))

    def _key_events(self, institution_id: str) -> list[tuple[int, Event]]:
        """What happened to a party's keys, and nothing else of it: its address stays where it is."""
        history = self._history(INSTITUTIONS.decider.stream(institution_id))
        return [one for one in history if isinstance(one[1], InstitutionKeyRegistered | InstitutionKeyRevoked)]

    def _history(self, stream: str) -> list[tuple[int, Event]]:
        """The events of a stream with their positions in the log, in order."""
        found: list[tuple[int, Event]] = []
        while page := self._kernel.store.events(stream, after=found[-1][0] if found else -1, limit=_PAGE):
            found += [(recorded.position, recorded.event) for recorded in page]
        return found


def _owner(institution_id: str, name: str, history: Sequence[tuple[int, Event]]) -> KeyOwner:
    return KeyOwner(id=institution_id, name=name, keys=keys_told(event for _, event in history))


def _tells_of(event: Event, digests: set[str | None]) -> bool:
    """Of versions that never came into force nothing is given away."""
    match event:
        case AgreementOffered() | AgreementCountered():
            return event.document_digest in digests
        case AgreementSigned():
            return event.signature.document_digest in digests
        case _:
            return isinstance(event, AgreementEnteredIntoForce)


def _signed(agreement: Agreement, version: Version) -> SignedVersion:
    return SignedVersion(
        number=version.number,
        document=agreement.document(version.number),
        signers=tuple(
            Signer(
                party=PartyKind(one.party),
                signer_id=one.signer_id,
                signer_name=one.signer_name,
                role=one.role,
                public_key=one.public_key,
                document_digest=one.document_digest,
                signed_at=one.signed_at,
            )
            for one in version.signatures
        ),
        envelopes=tuple(one.envelope for one in version.signatures),
    )
