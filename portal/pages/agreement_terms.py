"""The terms of an agreement, clause by clause, each with what it compiles to and what both sides remarked on it."""

from datetime import datetime

import streamlit as st

from agreements.actors import Actor, PartyKind
from agreements.agreement import Agreement, Signature, Version, VersionStatus
from agreements.dsse import Envelope, verify
from agreements.errors import ConcordatError
from agreements.keys import PublicKey
from portal.pages.agreement_edit import draft_editor
from portal.pages.agreement_talk import comment_box, remarks
from portal.pages.clause_view import clause_body
from portal.pages.parts import copyable, row
from portal.pages.words import literal, when


def terms_part(actor: Actor, agreement: Agreement, now: datetime) -> None:
    """One version's terms: the draft to edit, or what is on paper."""
    version = _chosen(actor, agreement)
    if actor.is_coordinator and version.status is VersionStatus.DRAFT:
        draft_editor(actor, agreement, version)
        return
    if version.digest:
        copyable("Digest of the document: what all sign and what every grant pins", version.digest)
    if version.note:
        side = agreement.lab_name if version.proposed_by is PartyKind.LAB else agreement.institution_name
        st.markdown(f"Note of **{literal(side)}**: {literal(version.note)}")
    for number, clause in enumerate(version.clauses, start=1):
        with st.container(border=True, key=f"clause_{clause.clause_id}"):
            clause_body(number, clause)
            remarks(agreement, version.number, clause.clause_id, now)
            if _commentable(agreement, version):
                comment_box(actor, agreement, clause)
    signatures(agreement, version, now)


def signatures(agreement: Agreement, version: Version, now: datetime) -> None:
    """Every signature under a version, verified anew as it is drawn."""
    if not version.signatures:
        return
    st.header("Signatures", anchor=False)
    for signature in version.signatures:
        _signature(agreement, version, signature, now)


def version_named(version: Version) -> str:
    """A version in one line."""
    change = "" if version.number == 1 else f", {version.change.value}" if version.amends else ", counter-offer"
    return f"Version {version.number}{change}: {version.status.label}"


def signature_holds(agreement: Agreement, version: Version, signature: Signature) -> bool:
    """Whether the envelope verifies with its key and covers the version's document."""
    try:
        payload = verify(
            Envelope.from_json(signature.envelope), [PublicKey.from_raw(bytes.fromhex(signature.public_key))]
        )
    except (ConcordatError, ValueError):
        return False
    return payload == agreement.document_bytes(version.number)


def _chosen(actor: Actor, agreement: Agreement) -> Version:
    """Which text to show: a draft to those who write it, else the one the agreement stands for; others by choice."""
    proposal = agreement.proposal
    drafts = actor.is_coordinator and proposal is not None and proposal.status is VersionStatus.DRAFT
    usual = proposal if drafts and proposal is not None else agreement.shown
    if len(agreement.versions) == 1:
        return usual
    numbers = [version.number for version in reversed(agreement.versions)]
    key = f"agreement.version:{agreement.id}:{usual.number}"
    number = st.selectbox(
        "Which text",
        numbers,
        index=numbers.index(usual.number),
        format_func=lambda one: version_named(agreement.version(one)),
        key=key,
    )
    return agreement.version(number)


def _commentable(agreement: Agreement, version: Version) -> bool:
    """Remarks go to the text on the table while there is one, else to the one the agreement stands for."""
    about = agreement.proposal or agreement.shown
    return version.number == about.number


def _signature(agreement: Agreement, version: Version, signature: Signature, now: datetime) -> None:
    party = agreement.institution_name if signature.party is PartyKind.INSTITUTION else agreement.lab_name
    with st.container(border=True):
        with row():
            role = f", {literal(signature.role)}" if signature.role else ""
            st.markdown(f"**{literal(signature.signer_name)}** for **{literal(party)}**{role}")
            holds = signature_holds(agreement, version, signature)
            st.badge(
                "signature holds" if holds else "signature does not hold",
                icon=":material/verified:" if holds else ":material/gpp_bad:",
                color="green" if holds else "red",
            )
        st.caption(f"Signed {when(signature.signed_at, now)} with the key `{signature.public_key[:16]}…`")
