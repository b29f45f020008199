"""What stands in the parts of a bundle: the manifest, who signed with which key, and the keys of both parties."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AwareDatetime, Field, StrictInt, StrictStr, ValidationError

from agreements.actors import LAB, PartyKind
from agreements.canonical import canonical_bytes, parse_json
from agreements.deciders import Value
from agreements.errors import ConcordatError, Invalid, VerificationError
from agreements.institutions import Custody, KeyHex, origin
from agreements.key_succession import check_succession, possession_challenge
from agreements.keys import PublicKey

BUNDLE_TYPE: Final = "concordat-agreement-bundle/v1"
MANIFEST_TYPE = "application/vnd.concordat.agreement-bundle.v1+json"
"""The DSSE payload type under which the lab signs a bundle's manifest."""
MAX_JSON_BYTES = 4 * 2**20

MANIFEST = "manifest.dsse.json"
DOCUMENT = "agreement.json"
PDF = "agreement.pdf"
KEYS = "keys.json"
SIGNERS = "signatures/signers.json"
README = "README.txt"

Digest = Annotated[StrictStr, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
V = TypeVar("V", bound=Value)


class PartDigest(Value):
    """One part as the manifest names it."""

    name: Annotated[StrictStr, Field(max_length=200)]
    sha256: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[StrictInt, Field(ge=0)]
    """In bytes."""


class Manifest(Value):
    """What the lab signs about a bundle: that it holds these parts and no other."""

    type: Literal["concordat-agreement-bundle/v1"] = BUNDLE_TYPE
    agreement_id: StrictStr
    document_digest: Digest
    made_at: AwareDatetime
    lab_key: KeyHex
    """The key that signs the manifest, named inside what it signs."""
    parts: tuple[PartDigest, ...]


class Signer(Value):
    """Who made one signature, when and with which key; the log says the same."""

    party: PartyKind
    signer_id: str
    signer_name: str
    role: str = ""
    public_key: KeyHex
    document_digest: Digest
    signed_at: AwareDatetime


class Signers(Value):
    """The signatures of one version, in their order: the first belongs to the file numbered 1."""

    signers: tuple[Signer, ...]


class RegisteredKey(Value):
    """A key as it is on record at the portal, with the proof that its owner holds it."""

    public_key: KeyHex
    custody: Custody
    proof: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]
    """Hex signature over ``possession_challenge`` of the owner's id and the key."""
    registered_at: AwareDatetime
    revoked_at: AwareDatetime | None = None
    registered_by: str = ""
    succession: dict[str, Any] | None = None
    """The statement by which an earlier own key handed over to it, a DSSE envelope."""
    handed_over_by: str = ""
    """That own key, raw in hex."""
    allowed_by: str = ""
    """The coordinator at whose word it came after an own key was lost."""

    @property
    def origin(self) -> str:
        """How it came, in words; empty where nothing is known."""
        return origin(self.registered_by, handed_over=bool(self.handed_over_by), allowed_by=self.allowed_by)

    @property
    def public(self) -> PublicKey:
        """The key as an object that verifies. Raises Invalid ``bad_key`` or ``weak_key``."""
        return PublicKey.from_raw(bytes.fromhex(self.public_key))

    def active_on(self, moment: datetime) -> bool:
        """Whether it could sign at ``moment``."""
        return self.registered_at <= moment and (self.revoked_at is None or moment <= self.revoked_at)


class KeyOwner(Value):
    """A party and every key it ever had."""

    id: str
    name: str
    keys: tuple[RegisteredKey, ...]

    def check_possession(self) -> None:
        """Raises VerificationError ``no_possession`` where a key was registered without proof for this owner."""
        for key in self.keys:
            try:
                key.public.verify(bytes.fromhex(key.proof), possession_challenge(self.id, key.public_key))
            except VerificationError:
                raise VerificationError(
                    "no_possession", f"{self.id} never proved that it holds the key {key.public.key_id}."
                ) from None

    def check_successions(self) -> None:
        """Raises VerificationError ``not_handed_over`` where a key is said to be signed over and is not."""
        for place, key in enumerate(self.keys):
            if not key.handed_over_by:
                continue
            own = [one.public_key for one in self.keys[:place] if one.custody is Custody.OWN]
            check_succession(
                key.succession,
                institution_id=self.id,
                public_key=key.public_key if key.custody is Custody.OWN else None,
                number=place + 1,
                own_keys=[one for one in own if one == key.handed_over_by],
            )

    def key_for(self, public_key: str, moment: datetime) -> RegisteredKey:
        """The key, if it is this party's and could sign then.

        Raises VerificationError ``key_not_registered`` or ``key_not_active``.
        """
        found = next((key for key in self.keys if key.public_key == public_key), None)
        if found is None:
            raise VerificationError("key_not_registered", f"The signing key is none that {self.id} registered.")
        if not found.active_on(moment):
            raise VerificationError("key_not_active", f"The key {found.public.key_id} could not sign at that time.")
        return found


class KeyRecord(Value):
    """The keys of both parties, and the key of the log."""

    type: Literal["concordat-keys/v1"] = "concordat-keys/v1"
    institution: KeyOwner
    lab: KeyOwner
    log_vkey: Annotated[str, Field(max_length=400)]

    def owner(self, party: PartyKind) -> KeyOwner:
        """The keys of one side."""
        return self.lab if party is PartyKind.LAB else self.institution

    def check(self, institution_id: str) -> None:
        """Raises VerificationError where the record is about others, or a key lacks its owner's proof."""
        if self.lab.id != LAB or self.institution.id != institution_id:
            raise VerificationError("other_parties", "The keys are those of other parties than the agreement's.")
        for owner in (self.institution, self.lab):
            owner.check_possession()
            owner.check_successions()


class SignedVersion(Value):
    """One version that both sides signed, as it goes into a bundle."""

    number: int
    document: dict[str, Any]
    signers: tuple[Signer, ...]
    envelopes: tuple[dict[str, Any], ...]
    """The DSSE envelopes as JSON, in the order of ``signers``."""

    def parts(self, folder: str = "") -> dict[str, bytes]:
        """Its files by name, below ``folder``."""
        files = {
            f"{folder}{DOCUMENT}": canonical_bytes(self.document),
            f"{folder}{SIGNERS}": written(Signers(signers=self.signers)),
        }
        for number, (signer, envelope) in enumerate(zip(self.signers, self.envelopes, strict=True), start=1):
            files[f"{folder}{signature_name(number, signer.party)}"] = canonical_bytes(envelope)
        return files


def signature_name(number: int, party: PartyKind) -> str:
    """The file of a version's signature ``number``, from 1."""
    return f"signatures/{number}-{party.value}.dsse.json"


def version_folder(number: int) -> str:
    """Where an earlier version has its files."""
    return f"versions/{number}/"


def written(value: Value) -> bytes:
    """A part's bytes: RFC 8785."""
    return canonical_bytes(value.model_dump(mode="json"))


def content(parts: Mapping[str, bytes], name: str) -> bytes:
    """A part that has to be there. Raises VerificationError ``parts_differ``."""
    if name not in parts:
        raise VerificationError("parts_differ", f"{name} is missing from the bundle.", param=name)
    return parts[name]


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object of a part in its one spelling. Raises Invalid ``bad_part``."""
    value = parse_json(data, MAX_JSON_BYTES)
    if not isinstance(value, dict) or canonical_bytes(value) != data:
        raise Invalid("bad_part", "The part is no JSON object in its canonical form.")
    return value


def read(kind: type[V], data: bytes) -> V:
    """The value of a part. Raises Invalid ``bad_part``."""
    try:
        return kind.model_validate(read_object(data))
    except ValidationError as error:
        raise Invalid("bad_part", f"The part is not what it should be: {error.error_count()} errors.") from None


@contextmanager
def part(name: str) -> Iterator[None]:
    """Whatever is refused inside is refused by the name of the part."""
    try:
        yield
    except ConcordatError as error:
        raise type(error)(
            error.code,
            error.message if error.param == name else f"{name}: {error.message}",
            hint=error.hint,
            fixer=error.fixer,
            param=name,
        ) from None
