"""What a bundle's parts have to show: each signature over exactly its document, by a key that could sign, logged."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agreements.agreement import AGREEMENT
from agreements.agreement.signatures import order_of, signed_by, still_due
from agreements.bundle.contents import (
    DOCUMENT,
    SIGNERS,
    KeyRecord,
    RegisteredKey,
    Signer,
    Signers,
    content,
    part,
    read,
    read_object,
    signature_name,
)
from agreements.canonical import digest_of
from agreements.deciders import Value
from agreements.dsse import Envelope
from agreements.errors import Invalid, VerificationError
from agreements.inclusion import InclusionEvidence, verify_head
from agreements.inclusion import verify as verify_inclusion
from agreements.institutions import INSTITUTION

_TABLED = ("agreement:offered", "agreement:countered")
_SIGNED = "agreement:signed"
_IN_FORCE = "agreement:entered_into_force"


class CheckedVersion(Value):
    """A version whose signatures hold."""

    number: int
    digest: str
    document: dict[str, Any]
    signers: tuple[Signer, ...]
    keys: tuple[RegisteredKey, ...]
    """The keys they signed with, in their order."""


def check_version(parts: Mapping[str, bytes], folder: str, agreement_id: str, keys: KeyRecord) -> CheckedVersion:
    """The version below ``folder``. Raises VerificationError or Invalid with the part as ``param``."""
    with part(f"{folder}{DOCUMENT}"):
        document = read_object(content(parts, f"{folder}{DOCUMENT}"))
        number, order = document.get("version", 1), order_of(document)
        if document.get("agreement_id") != agreement_id or not isinstance(number, int):
            raise VerificationError("other_document", "The document is that of another agreement.")
        keys_needed_of = _member(document, "parties", "institution", "id")
        if keys_needed_of != keys.institution.id:
            raise VerificationError("other_parties", "The document is an agreement with another institution.")
    with part(f"{folder}{SIGNERS}"):
        signers = read(Signers, content(parts, f"{folder}{SIGNERS}")).signers
        if due := still_due(signers, order):
            missing = " and ".join(f"the {side.value}" for side in due)
            raise VerificationError("not_signed", f"The version is not yet signed by {missing}.")
    digest = digest_of(document)
    used = []
    for place, signer in enumerate(signers, start=1):
        name = f"{folder}{signature_name(place, signer.party)}"
        with part(name):
            used.append(_signed(content(parts, name), parts[f"{folder}{DOCUMENT}"], digest, signer, keys))
    return CheckedVersion(number=number, digest=digest, document=document, signers=signers, keys=tuple(used))


def _signed(data: bytes, document: bytes, digest: str, signer: Signer, keys: KeyRecord) -> RegisteredKey:
    key = keys.owner(signer.party).key_for(signer.public_key, signer.signed_at)
    signed_by(Envelope.from_json(read_object(data)), document, [key.public])
    if signer.document_digest != digest:
        raise VerificationError("other_document", "The signature is listed for another document than this.")
    return key


class LoggedEntry(Value):
    """One entry of the agreement's or a party's stream, proved to stand in the log."""

    part: str
    stream: str
    type: str
    version: int
    """Its place in the stream, from 1."""
    body: dict[str, Any]
    log_size: int


def check_log(
    parts: Mapping[str, bytes], names: Iterable[str], agreement_id: str, keys: KeyRecord
) -> tuple[LoggedEntry, ...]:
    """The entries in the parts ``names``, by their place in the stream. Raises with the part as ``param``."""
    streams = {
        AGREEMENT.stream(agreement_id),
        *(INSTITUTION.stream(owner.id) for owner in (keys.institution, keys.lab)),
    }
    entries = []
    for name in names:
        with part(name):
            evidence = InclusionEvidence.from_json(read_object(parts[name]))
            value = verify_inclusion(evidence, keys.log_vkey)
            stream = value.get("stream")
            if not isinstance(stream, str) or stream not in streams:
                raise VerificationError("other_entry", "The entry is about something else than this agreement.")
            kind, place, body = value.get("type"), value.get("version"), value.get("body")
            if not isinstance(kind, str) or not isinstance(place, int) or not isinstance(body, dict):
                raise Invalid("bad_entry", "The entry is not one of an agreement.")
            size = verify_head(evidence, keys.log_vkey).size
        entries.append(LoggedEntry(part=name, stream=stream, type=kind, version=place, body=body, log_size=size))
    return tuple(sorted(entries, key=lambda entry: entry.version))


def check_logged(version: CheckedVersion, folder: str, entries: Sequence[LoggedEntry]) -> None:
    """That the log has the version put on the table, each signature of it, and then its entry into force.

    Raises VerificationError ``not_logged`` with the part whose entry is missing as ``param``.
    """
    entries = [entry for entry in entries if entry.stream == AGREEMENT.stream(str(version.document["agreement_id"]))]
    tabled = [
        entry for entry in entries if entry.type in _TABLED and entry.body.get("document_digest") == version.digest
    ]
    if not tabled:
        raise _not_logged(f"{folder}{DOCUMENT}", "that this document was put on the table")
    places = [tabled[-1].version]
    for number, signer in enumerate(version.signers, start=1):
        name = f"{folder}{signature_name(number, signer.party)}"
        found = [entry for entry in entries if entry.type == _SIGNED and _same(entry.body.get("signature"), signer)]
        if not found or found[-1].version <= places[-1]:
            raise _not_logged(name, "this signature")
        places.append(found[-1].version)
    # Signing last and coming into force are one transaction, so one entry follows the other.
    if not any(entry.type == _IN_FORCE and entry.version == places[-1] + 1 for entry in entries):
        raise _not_logged(f"{folder}{SIGNERS}", "that this version came into force")


def _same(logged: object, signer: Signer) -> bool:
    if not isinstance(logged, dict):
        return False
    told = signer.model_dump(mode="json")
    return all(logged.get(name, "") == value for name, value in told.items())


def _not_logged(name: str, what: str) -> VerificationError:
    return VerificationError("not_logged", f"{name}: the bundle has no entry of the log that shows {what}.", param=name)


def _member(value: object, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
