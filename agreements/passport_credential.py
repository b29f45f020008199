"""The passport as a signed credential that another portal can verify.

The payload has the shape of a W3C verifiable credential (Verifiable Credentials Data Model 2.0) in RFC 8785 bytes. It
is secured by a DSSE envelope, as everything else that leaves a portal is, rather than by one of the W3C's own proofs. A
credential is accepted only in its canonical spelling, so that it has one byte string.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from agreements.canonical import canonical_bytes, parse_json
from agreements.deciders import Value
from agreements.dsse import Envelope, sign, verify
from agreements.errors import Conflict, Invalid, VerificationError
from agreements.institutions import Constituency, Institution, KeyHex
from agreements.keys import PublicKey, SigningKey
from agreements.scopes import Moment
from agreements.vetting import MAX_EVIDENCE, Passport, Sha256, VettingItem

PASSPORT_TYPE = "application/vnd.concordat.passport.v1+json"
"""The DSSE payload type."""

MAX_PASSPORT_BYTES = 1 << 16
"""Five items with all the evidence that fits."""

CONTEXT: list[JsonValue] = [
    "https://www.w3.org/ns/credentials/v2",
    {"@vocab": "https://concordat.example/passport/v1#"},
]
"""The data model's base context, and where the words that it does not define belong."""

TYPES: list[JsonValue] = ["VerifiableCredential", "InstitutionPassport"]

_KEY_URN = "urn:concordat:key:"
_INSTITUTION_URN = "urn:concordat:institution:"

PartyName = Annotated[str, Field(min_length=1, max_length=200)]


class VettedItem(Value):
    """One accepted item, as the issuer attests it."""

    item: VettingItem
    accepted_at: Moment
    valid_until: Moment
    reviewer: PartyName
    evidence: tuple[Sha256, ...] = Field(default=(), max_length=MAX_EVIDENCE)
    """SHA-256 of the files the reviewer saw, in hex."""


class PassportCredential(Value):
    """What the issuer signed. Being well formed says nothing about who signed it: see ``verify_passport``."""

    issuer_name: PartyName
    issuer_key: KeyHex
    valid_from: Moment
    subject_id: Annotated[str, Field(min_length=2, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*$")]
    """The institution's id at the issuer; elsewhere it may have another."""
    subject_name: PartyName
    constituency: Constituency
    country: Annotated[str, Field(max_length=60)] = ""
    vetting: tuple[VettedItem, ...] = Field(min_length=1, max_length=len(VettingItem))

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        items = [one.item for one in self.vetting]
        if items != [item for item in VettingItem if item in items]:
            raise ValueError("an item is given twice or out of order")
        if any(not one.accepted_at <= self.valid_from < one.valid_until for one in self.vetting):
            raise ValueError("an item was not valid when the credential was made")
        return self

    @property
    def valid_until(self) -> datetime:
        """The earliest end of any item: from then on the credential as a whole says too much."""
        return min(one.valid_until for one in self.vetting)

    def document(self) -> dict[str, JsonValue]:
        """The credential in the members of the W3C's data model."""
        key = PublicKey.from_raw(bytes.fromhex(self.issuer_key))
        first_to_lapse = min(self.vetting, key=lambda one: one.valid_until)
        dumped = self.model_dump(mode="json")
        return {
            "@context": CONTEXT,
            "type": TYPES,
            "issuer": {
                "id": f"{_KEY_URN}{key.key_id}",
                "name": self.issuer_name,
                "public_key": self.issuer_key,
            },
            "validFrom": dumped["valid_from"],
            "validUntil": first_to_lapse.model_dump(mode="json")["valid_until"],
            "credentialSubject": {
                "id": f"{_INSTITUTION_URN}{self.subject_id}",
                "name": self.subject_name,
                "constituency": dumped["constituency"],
                "country": self.country,
                "vetting": dumped["vetting"],
            },
        }

    def payload(self) -> bytes:
        """The bytes that are signed."""
        return canonical_bytes(self.document())

    @classmethod
    def from_document(cls, document: object) -> Self:
        """The credential of a document in the members of the data model. Raises Invalid ``bad_passport``."""
        try:
            match document:
                case {"issuer": {"name": issuer, "public_key": key}, "validFrom": start, "credentialSubject": subject}:
                    return cls.model_validate(
                        {
                            "issuer_name": issuer,
                            "issuer_key": key,
                            "valid_from": start,
                            **_subject(subject),
                        }
                    )
                case _:
                    raise _bad_passport("it lacks members of a credential")
        except ValidationError as error:
            names = ", ".join(sorted({str(one["loc"][0]) for one in error.errors(include_input=False) if one["loc"]}))
            raise _bad_passport(f"these parts do not fit: {names or 'items or dates'}") from None


def _subject(subject: object) -> dict[str, Any]:
    match subject:
        case {"id": str(urn), "name": name, "constituency": constituency, "country": country, "vetting": vetting}:
            return {
                "subject_id": urn.removeprefix(_INSTITUTION_URN),
                "subject_name": name,
                "constituency": constituency,
                "country": country,
                "vetting": vetting,
            }
        case _:
            raise _bad_passport("it lacks members of a subject")


def credential_for(
    passport: Passport, institution: Institution, *, issuer_name: str, issuer_key: PublicKey, now: datetime
) -> PassportCredential:
    """What the issuer can attest at ``now``: the items that its own reviewers accepted and that are valid.

    What was taken over on another portal's word stays out: whoever wants to rely on it asks that portal. Raises
    Conflict ``nothing_to_export`` if nothing is left.
    """
    vetting: list[VettedItem] = []
    for record in passport.items:
        review = record.own_acceptance(now)
        if review is None or review.valid_until is None:
            continue
        evidence = record.submission(review.submission).evidence
        vetting.append(
            VettedItem(
                item=record.item,
                accepted_at=review.at,
                valid_until=review.valid_until,
                reviewer=review.reviewer_name,
                evidence=tuple(one.sha256 for one in evidence if one.sha256 is not None),
            )
        )
    if not vetting:
        raise Conflict(
            "nothing_to_export",
            f"No item of {institution.name}'s passport was accepted here and is valid now.",
            hint="Hand in what the checklist says is missing, and have it reviewed.",
        )
    return PassportCredential(
        issuer_name=issuer_name,
        issuer_key=issuer_key.raw.hex(),
        # A clock that was set back must not make an acceptance look as if it came after the credential.
        valid_from=max(now, *(one.accepted_at for one in vetting)),
        subject_id=institution.id,
        subject_name=institution.name,
        constituency=institution.constituency,
        country=institution.country,
        vetting=tuple(vetting),
    )


def sign_passport(credential: PassportCredential, key: SigningKey) -> Envelope:
    """The credential in a DSSE envelope by its issuer."""
    return sign(PASSPORT_TYPE, credential.payload(), key)


def verify_passport(data: bytes, keys: Sequence[PublicKey]) -> PassportCredential:
    """The credential in a file, if one of ``keys`` issued and signed it. Whether it is valid now is not asked here.

    Raises what ``verify_envelope`` raises, and Invalid for a file that is no envelope, whatever its bytes.
    """
    return verify_envelope(Envelope.from_json(_parsed(data)), keys)


def verify_envelope(envelope: Envelope, keys: Sequence[PublicKey]) -> PassportCredential:
    """The credential in an envelope, if one of ``keys`` is the issuer that it names and signed it.

    Raises VerificationError ``bad_signature``, ``other_issuer`` or ``not_canonical``; Invalid ``bad_passport``.
    """
    if envelope.payload_type != PASSPORT_TYPE:
        raise _bad_passport("it is signed as something else")
    payload = verify(envelope, keys)
    credential = PassportCredential.from_document(_parsed(payload))
    issuer = PublicKey.from_raw(bytes.fromhex(credential.issuer_key))
    if issuer not in keys:
        raise _other_issuer()
    try:
        verify(envelope, [issuer])
    except VerificationError:
        raise _other_issuer() from None
    if credential.payload() != payload:
        raise VerificationError(
            "not_canonical", "The passport is not spelled as a portal spells it.", hint="Ask the issuer for it."
        )
    return credential


def _other_issuer() -> VerificationError:
    return VerificationError(
        "other_issuer",
        "The passport names an issuer other than the one whose key was given and who signed it.",
        hint="Ask the issuer for its key and its file.",
    )


def _parsed(data: bytes) -> JsonValue:
    if len(data) > MAX_PASSPORT_BYTES:
        raise _bad_passport(f"it has more than {MAX_PASSPORT_BYTES:,} bytes")
    return parse_json(data, MAX_PASSPORT_BYTES)


def _bad_passport(why: str) -> Invalid:
    return Invalid("bad_passport", f"This is not an institution's passport: {why}.", param="credential")
