"""A signed agreement as one file that proves itself: documents, signatures, keys and evidence from the log.

Bytes in, bytes out. The lab signs the manifest over every part. What was signed, by whom, and whose the keys are is in
the log besides, the manifest's key included: whoever pins the log's key needs to trust no other, and keys that neither
the caller nor the log vouches for are told apart.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from agreements.actors import PartyKind
from agreements.bundle.checking import CheckedVersion, check_log, check_logged, check_version
from agreements.bundle.container import (
    CONTAINER,
    MAGIC,
    MAX_BUNDLE_BYTES,
    is_canonical,
    not_a_bundle,
    pack,
    unpack,
)
from agreements.bundle.contents import (
    DOCUMENT,
    KEYS,
    MANIFEST,
    MANIFEST_TYPE,
    PDF,
    README,
    SIGNERS,
    KeyOwner,
    KeyRecord,
    Manifest,
    PartDigest,
    RegisteredKey,
    SignedVersion,
    Signer,
    content,
    part,
    read,
    read_object,
    signature_name,
    version_folder,
    written,
)
from agreements.bundle.key_history import keys_logged, keys_told
from agreements.bundle.readme import readme
from agreements.canonical import canonical_bytes, digest_of, sha256_hex
from agreements.deciders import Value
from agreements.dsse import Envelope, sign, verify
from agreements.errors import VerificationError
from agreements.inclusion import InclusionEvidence
from agreements.institutions import Custody
from agreements.keys import PublicKey, SigningKey

__all__ = [
    "CONTAINER",
    "MAGIC",
    "MAX_BUNDLE_BYTES",
    "BundleProof",
    "KeyOwner",
    "KeyRecord",
    "ProvedSignature",
    "RegisteredKey",
    "SignedVersion",
    "Signer",
    "build_bundle",
    "keys_told",
    "verify_bundle",
]


class ProvedSignature(Value):
    """A signature that holds."""

    version: int
    place: int
    """Which of the version's signatures, from 1."""
    party: PartyKind
    signer_name: str
    role: str
    public_key: str
    custody: Custody
    key_origin: str
    """How the key came, as the lab recorded it; empty where nothing is known."""
    signed_at: datetime


class BundleProof(Value):
    """What a bundle proves. Keys outside ``vouched`` are the bundle's own word, and so is the log's unless given."""

    agreement_id: str
    title: str
    institution_name: str
    lab_name: str
    version: int
    document_digest: str
    signatures: tuple[ProvedSignature, ...]
    """Of the version in force, in their order."""
    earlier_signatures: tuple[ProvedSignature, ...]
    """Of the versions before it."""
    vouched: frozenset[str]
    """Keys (raw, in hex) that the caller gave, or that the log whose key the caller gave says are the parties'."""
    earlier_versions: tuple[int, ...]
    made_at: datetime
    lab_key: str
    """Of the manifest, raw in hex."""
    log_vkey: str
    log_size: int
    """Of the newest head that the evidence stands on."""


def build_bundle(
    versions: Sequence[SignedVersion],
    *,
    pdf: bytes,
    keys: KeyRecord,
    evidence: Sequence[InclusionEvidence],
    made_at: datetime,
    lab_key: SigningKey,
) -> bytes:
    """The bundle of ``versions``, all that were ever in force in order, the last one first in it.

    It is verified before it is given out. Raises what ``verify_bundle`` raises.
    """
    *earlier, newest = versions
    agreement_id, digest = str(newest.document.get("agreement_id")), digest_of(newest.document)
    parts = {
        **newest.parts(),
        PDF: pdf,
        KEYS: written(keys),
        README: readme(agreement_id, digest, keys).encode(),
        **{f"log/{number}.json": canonical_bytes(one.to_json()) for number, one in enumerate(evidence, start=1)},
    }
    for version in earlier:
        parts |= version.parts(version_folder(version.number))
    manifest = Manifest(
        agreement_id=agreement_id,
        document_digest=digest,
        made_at=made_at,
        lab_key=lab_key.public.raw.hex(),
        parts=tuple(
            PartDigest(name=name, sha256=sha256_hex(data), size=len(data)) for name, data in sorted(parts.items())
        ),
    )
    parts[MANIFEST] = canonical_bytes(sign(MANIFEST_TYPE, written(manifest), lab_key).to_json())
    bundle = pack(parts)
    verify_bundle(bundle, vkey=keys.log_vkey)
    return bundle


def verify_bundle(data: bytes, *, keys: Collection[PublicKey] = (), vkey: str | None = None) -> BundleProof:
    """What the bundle proves, under the signers' keys and the log key that the caller trusts, where they are given.

    Once any is given, the manifest's key has to be among ``keys`` or in that log; under a log's key, every key used.
    Raises VerificationError where something does not hold and Invalid or TooLarge where it cannot be read; ``param``
    names the part, or ``container`` for the file around the parts.
    """
    parts = unpack(data)
    if MANIFEST not in parts:
        raise not_a_bundle()
    with part(MANIFEST):
        manifest = _manifest(parts[MANIFEST])
    _check_parts(data, parts, manifest)
    with part(DOCUMENT):
        if digest_of(read_object(parts[DOCUMENT])) != manifest.document_digest:
            raise VerificationError("digest_differs", "The document is not the one that the manifest names.")
        institution_id = _party(read_object(parts[DOCUMENT]), "institution", "id")
    with part(KEYS):
        record = read(KeyRecord, parts[KEYS])
        record.check(institution_id)
        if vkey is not None and vkey != record.log_vkey:
            raise VerificationError("other_log", "The bundle is of another log than the one whose key was given.")
    folders = _folders(parts)
    checked = [check_version(parts, folder, manifest.agreement_id, record) for folder in folders]
    _check_chain(folders, checked)
    _check_nothing_else(parts, folders, checked)
    entries = check_log(parts, _logged(parts), manifest.agreement_id, record)
    for folder, version in zip(folders, checked, strict=True):
        check_logged(version, folder, entries)
    logged = keys_logged(record, entries)
    with part(MANIFEST):
        record.lab.key_for(manifest.lab_key, manifest.made_at)
    signatures = [one for version in checked for one in _proved(version)]
    vouched = {key.raw.hex() for key in keys}
    if logged and vkey is not None:
        vouched |= {key.public_key for owner in (record.institution, record.lab) for key in owner.keys}
    _check_trust(manifest, [one.public_key for one in signatures], keys, vkey, vouched)
    newest = checked[-1]
    return BundleProof(
        agreement_id=manifest.agreement_id,
        title=str(newest.document.get("title", "")),
        institution_name=_party(newest.document, "institution", "name"),
        lab_name=_party(newest.document, "lab", "name"),
        version=newest.number,
        document_digest=newest.digest,
        signatures=tuple(one for one in signatures if one.version == newest.number),
        earlier_signatures=tuple(one for one in signatures if one.version != newest.number),
        vouched=frozenset(vouched),
        earlier_versions=tuple(version.number for version in checked[:-1]),
        made_at=manifest.made_at,
        lab_key=manifest.lab_key,
        log_vkey=record.log_vkey,
        log_size=max(entry.log_size for entry in entries),
    )


def _proved(version: CheckedVersion) -> Iterator[ProvedSignature]:
    for place, (signer, key) in enumerate(zip(version.signers, version.keys, strict=True), start=1):
        yield ProvedSignature(
            version=version.number,
            place=place,
            party=signer.party,
            signer_name=signer.signer_name,
            role=signer.role,
            public_key=key.public_key,
            custody=key.custody,
            key_origin=key.origin,
            signed_at=signer.signed_at,
        )


def _check_trust(
    manifest: Manifest, signing: Sequence[str], keys: Collection[PublicKey], vkey: str | None, vouched: Collection[str]
) -> None:
    """That what the caller trusts carries the bundle: the manifest binds all parts, so its key comes first."""
    if keys and manifest.lab_key not in vouched:
        raise VerificationError(
            "other_lab_key",
            f"{MANIFEST}: the manifest is signed with a key that was not given.",
            hint="Give the lab's public key, or the log's: the log says which keys are the lab's.",
            param=MANIFEST,
        )
    if missing := [key.key_id for key in keys if key.raw.hex() not in {manifest.lab_key, *signing}]:
        raise VerificationError("key_did_not_sign", f"The key {missing[0]} signed nothing in this bundle.")
    if vkey is not None and (unknown := [key for key in (manifest.lab_key, *signing) if key not in vouched]):
        raise VerificationError(
            "key_not_logged",
            f"{KEYS}: nothing from the log says whose the key {unknown[0]} is.",
            hint="Take the bundle anew from the portal, or give every key that it uses as well.",
            param=KEYS,
        )


def _manifest(data: bytes) -> Manifest:
    """The manifest, signed by the key it names; whether that key is the lab's is for the caller to ask."""
    envelope = Envelope.from_json(read_object(data))
    manifest = read(Manifest, envelope.payload)
    key = PublicKey.from_raw(bytes.fromhex(manifest.lab_key))
    verify(envelope, [key])
    # The key id and the spelling of the envelope are not signed; there is one of each, so that nothing is left open.
    one_spelling = [signature.keyid for signature in envelope.signatures] == [key.key_id]
    if not one_spelling or envelope.payload_type != MANIFEST_TYPE or canonical_bytes(envelope.to_json()) != data:
        raise VerificationError("bad_manifest", "The manifest is not in the form in which the lab signs it.")
    return manifest


def _check_parts(data: bytes, parts: Mapping[str, bytes], manifest: Manifest) -> None:
    """That the parts are those of the manifest, and the file around them is in its one spelling."""
    listed = {one.name: one for one in manifest.parts}
    if len(listed) != len(manifest.parts) or MANIFEST in listed:
        raise VerificationError("bad_manifest", "The manifest names a part twice, or itself.", param=MANIFEST)
    missing, unlisted = sorted(listed.keys() - parts), sorted(parts.keys() - listed.keys() - {MANIFEST})
    if missing or unlisted:
        if not is_canonical(data, parts):
            raise not_a_bundle()
        name = (missing or unlisted)[0]
        what = "is missing from the bundle" if missing else "is not in the manifest that the lab signed"
        raise VerificationError("parts_differ", f"{name} {what}.", param=name)
    for name, one in listed.items():
        if len(parts[name]) != one.size or sha256_hex(parts[name]) != one.sha256:
            raise VerificationError("part_changed", f"{name} in the bundle is not what was put into it.", param=name)
    if not is_canonical(data, parts):
        raise not_a_bundle()
    for name in (DOCUMENT, PDF, KEYS, README):
        content(parts, name)


def _folders(parts: Mapping[str, bytes]) -> list[str]:
    """Where the versions are, in their order; the newest is at the top."""
    numbers = {name.split("/")[1] for name in parts if name.startswith("versions/")}
    if any(not number.isascii() or not number.isdecimal() for number in numbers):
        raise not_a_bundle()
    return [*(version_folder(number) for number in sorted(map(int, numbers))), ""]


def _check_chain(folders: Sequence[str], versions: Sequence[CheckedVersion]) -> None:
    """That each version replaces the one before it, and the first none."""
    before: CheckedVersion | None = None
    for folder, version in zip(folders, versions, strict=True):
        follows = version.number > before.number if before else True
        replaced = version.document.get("amends")
        in_place = folder in {"", version_folder(version.number)}
        if not follows or not in_place or replaced != (before.digest if before else None):
            raise VerificationError(
                "chain_broken",
                f"{folder}{DOCUMENT}: the version does not replace the one before it in the bundle.",
                param=f"{folder}{DOCUMENT}",
            )
        before = version


def _check_nothing_else(parts: Mapping[str, bytes], folders: Sequence[str], versions: Sequence[CheckedVersion]) -> None:
    """That no part stands beside those that were checked: what lies in a bundle would be taken for proved."""
    known = {MANIFEST, PDF, KEYS, README, *_logged(parts)}
    for folder, version in zip(folders, versions, strict=True):
        known |= {f"{folder}{DOCUMENT}", f"{folder}{SIGNERS}"}
        known |= {f"{folder}{signature_name(n, one.party)}" for n, one in enumerate(version.signers, start=1)}
    if unknown := sorted(parts.keys() - known):
        raise VerificationError("parts_differ", f"{unknown[0]} has no place in a bundle.", param=unknown[0])


def _logged(parts: Mapping[str, bytes]) -> list[str]:
    return [name for name in parts if name.startswith("log/")]


def _party(document: Mapping[str, object], party: str, member: str) -> str:
    parties = document.get("parties")
    side = parties.get(party) if isinstance(parties, dict) else None
    return str(side.get(member, "")) if isinstance(side, dict) else ""
