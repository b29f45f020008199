"""The words in a bundle: what it is and how to check it, with the portal's program and without."""

from agreements.bundle.contents import KeyRecord

_TEXT = """\
A SIGNED AGREEMENT, WITH ITS PROOF

Agreement   {agreement_id}
Digest      {digest}
Between     {institution}
and         {lab}

What is in this file

  agreement.json          the agreement, byte for byte as both parties signed it (RFC 8785)
  agreement.pdf           the same to read; a reading copy, which proves nothing by itself
  signatures/             each party's signature over agreement.json (DSSE, Ed25519), and who made it
  versions/<n>/           earlier versions that were in force, each with its signatures
  keys.json               the keys of both parties, with the proofs that they hold them, and the key of the log
  log/                    proofs that offer, signatures, entry into force and keys stand in the portal's log
  manifest.dsse.json      the lab's signature over the list of all these parts

How to check it with Concordat, without any network

  pip install concordat
  concordat verify THIS_FILE.zip --vkey LOG_KEY

Take the log's key from a place other than this file; nobody else has to be trusted, since the log says whose the keys
are. The PDF and this text are the lab's word, under its signature. Do not unpack and repack the file: it is
accepted only as it was downloaded, and one changed byte makes the check fail and name the part.

How to check it without Concordat

  1. Unpack the file. The SHA-256 of agreement.json is the digest above.
  2. Each file signatures/*.dsse.json is a DSSE envelope (https://github.com/secure-systems-lab/dsse). Any DSSE library
     verifies it with the signer's Ed25519 key, given in hex in signatures/signers.json. Its payload is agreement.json.
  3. Each such key is in keys.json under its party and was registered, and not revoked, when it signed. The proof beside
     it is that key's Ed25519 signature over the canonical JSON (RFC 8785) of
     {{"type":"concordat-key-registration/v1","institution_id":PARTY_ID,"public_key":KEY}}.
  4. manifest.dsse.json is an envelope of the same kind, by a key of the lab. Its payload lists the SHA-256 of
     every part.
  5. Each file log/*.json holds a log entry, its Merkle inclusion proof (RFC 6962) and the log's signed head (C2SP
     signed-note and tlog-checkpoint), which the log's key verifies. Those of the streams institution/PARTY_ID say
     which keys were registered and revoked; keys.json says the same, and the manifest's key is one of the lab's there.
"""


def readme(agreement_id: str, digest: str, keys: KeyRecord) -> str:
    """The text for one agreement."""
    return _TEXT.format(
        agreement_id=agreement_id, digest=digest, institution=_line(keys.institution.name), lab=_line(keys.lab.name)
    )


def _line(name: str) -> str:
    """A name of others on one line, so that it cannot speak as this text."""
    return " ".join(name.split())
