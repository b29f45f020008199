"""DSSE envelopes, version 1: a payload, its type and signatures over both (secure-systems-lab/dsse, protocol.md).

Deliberate deviation: members the specification does not name are refused, where it lets readers ignore them.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from agreements.canonical import b64decode, b64encode
from agreements.deciders import Value
from agreements.errors import ConcordatError, Conflict, Invalid, VerificationError
from agreements.keys import SIGNATURE_BYTES, PublicKey, SigningKey

MAX_SIGNATURES = 16

_URL_SAFE = str.maketrans("-_", "+/")


class EnvelopeSignature(Value):
    """One signature. ``keyid`` is an unauthenticated hint: it never decides whether a signature holds."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    keyid: Annotated[str, Field(max_length=200)] = ""
    sig: Annotated[bytes, Field(min_length=1, max_length=1024)]


class Envelope(Value):
    """A typed payload with its signatures. Being well formed says nothing about whether they hold: see ``verify``."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    payload_type: Annotated[str, Field(min_length=1, max_length=200)]
    payload: bytes
    signatures: Annotated[tuple[EnvelopeSignature, ...], Field(min_length=1, max_length=MAX_SIGNATURES)]

    def to_json(self) -> dict[str, Any]:
        """The JSON form of the specification's envelope.md, in standard base64."""
        return {
            "payloadType": self.payload_type,
            "payload": b64encode(self.payload),
            "signatures": [{"keyid": one.keyid, "sig": b64encode(one.sig)} for one in self.signatures],
        }

    @classmethod
    def from_json(cls, obj: object) -> "Envelope":
        """The envelope a parsed JSON value stands for; either base64 alphabet. Raises Invalid ``bad_envelope``."""
        members = _members(obj, required={"payloadType", "payload", "signatures"})
        signatures = members["signatures"]
        if not isinstance(signatures, list) or len(signatures) > MAX_SIGNATURES:
            raise _bad_envelope(f"it takes a list of at most {MAX_SIGNATURES} signatures")
        try:
            return cls(
                payload_type=members["payloadType"],
                payload=_decode(members["payload"]),
                signatures=tuple(_signature(one) for one in signatures),
            )
        except ValidationError as error:
            names = ", ".join(sorted({str(one["loc"][0]) for one in error.errors(include_input=False)}))
            raise _bad_envelope(f"these parts do not fit: {names}") from None


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding, the bytes that are signed (protocol.md, "Signature Definition")."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload_type: str, payload: bytes, key: SigningKey) -> Envelope:
    """``payload`` in an envelope with one signature. Raises Invalid ``bad_envelope`` for an unusable type."""
    try:
        signature = EnvelopeSignature(keyid=key.public.key_id, sig=key.sign(pae(payload_type, payload)))
        return Envelope(payload_type=payload_type, payload=payload, signatures=(signature,))
    except (ValidationError, UnicodeEncodeError):
        raise _bad_envelope("its payload type is empty, too long or no text") from None


def add_signature(envelope: Envelope, key: SigningKey) -> Envelope:
    """The envelope with one more signature; the others stay as they are and unverified.

    Raises Conflict ``already_signed`` if ``key`` signed it before, Invalid ``bad_envelope`` if it is full.
    """
    message = pae(envelope.payload_type, envelope.payload)
    if any(_holds(key.public, one.sig, message) for one in envelope.signatures):
        raise Conflict("already_signed", "The envelope carries this key's signature already.")
    if len(envelope.signatures) == MAX_SIGNATURES:
        raise _bad_envelope(f"it holds {MAX_SIGNATURES} signatures already")
    signature = EnvelopeSignature(keyid=key.public.key_id, sig=key.sign(message))
    return envelope.model_copy(update={"signatures": (*envelope.signatures, signature)})


def signers(envelope: Envelope, keys: Sequence[PublicKey]) -> tuple[PublicKey, ...]:
    """Those of ``keys`` that signed the envelope, in the order given."""
    message = pae(envelope.payload_type, envelope.payload)
    return tuple(key for key in keys if any(_holds(key, one.sig, message) for one in envelope.signatures))


def verify(envelope: Envelope, keys: Sequence[PublicKey]) -> bytes:
    """The payload, if at least one signature is by one of ``keys``; else VerificationError ``bad_signature``.

    Nothing may be read from ``envelope.payload`` for a decision unless it came out of here, and the caller still has to
    compare ``envelope.payload_type`` with the type it expects. Key ids play no part.
    """
    if signers(envelope, keys):
        return envelope.payload
    raise VerificationError(
        "bad_signature",
        "No signature in the envelope is by one of the expected keys over this payload and type.",
        hint="Check that the file is complete and unchanged and that the key is the signer's.",
    )


def _holds(key: PublicKey, signature: bytes, message: bytes) -> bool:
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        key.verify(signature, message)
    except VerificationError:
        return False
    return True


def _signature(obj: object) -> EnvelopeSignature:
    members = _members(obj, required={"sig"}, optional={"keyid"})
    return EnvelopeSignature(keyid=members.get("keyid", ""), sig=_decode(members["sig"]))


def _members(obj: object, *, required: set[str], optional: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    if not isinstance(obj, dict) or not required <= set(obj) <= required | optional:
        raise _bad_envelope(f"an object with the members {', '.join(sorted(required))} is expected")
    return obj


def _decode(text: object) -> bytes:
    if not isinstance(text, str):
        raise _bad_envelope("base64 text is expected")
    if not ("+" in text or "/" in text):
        # Readers must accept both alphabets (envelope.md); a mixture of them is neither.
        text = text.translate(_URL_SAFE)
    try:
        return b64decode(text)
    except ConcordatError:
        raise _bad_envelope("its base64 is malformed") from None


def _bad_envelope(why: str) -> Invalid:
    return Invalid("bad_envelope", f"This is not a DSSE envelope: {why}.")
