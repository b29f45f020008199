"""One agreement on the screen: where it stands, what it says, who signed, and the next step of whoever may take it."""

from datetime import datetime

import streamlit as st

from agreements.actors import LAB, Actor, Role
from agreements.agreement import Agreement, AgreementStatus, PartyKind, Signature
from agreements.clauses import Clause
from agreements.dsse import Envelope, verify
from agreements.errors import ConcordatError, Invalid
from agreements.keys import PublicKey
from portal.pages import links
from portal.pages.context import portal
from portal.pages.parts import Consequence, confirmed, copyable, row, status, submit
from portal.pages.words import literal, prose, when

_RAIL = (AgreementStatus.DRAFT, AgreementStatus.OFFERED, AgreementStatus.SIGNED, AgreementStatus.IN_FORCE)


def terms(agreement: Agreement, now: datetime) -> None:
    """The agreement as both parties read it."""
    rail(agreement)
    if agreement.end_reason:
        st.warning(f"Ended {when(agreement.ended_at, now)}: {literal(agreement.end_reason)}", icon=":material/info:")
    if agreement.expires_at is not None:
        st.caption(
            f"In force since {when(agreement.in_force_at, now)}; the term ends {when(agreement.expires_at, now)}."
        )
    if agreement.document_digest:
        copyable("Digest of the document: what both parties sign and what every grant pins", agreement.document_digest)
    st.header("Clauses", anchor=False)
    for number, clause in enumerate(agreement.clauses, start=1):
        clause_card(number, clause)
    if agreement.signatures:
        st.header("Signatures", anchor=False)
        for signature in agreement.signatures:
            signature_card(agreement, signature, now)
    if agreement.document_digest:
        st.link_button("Download as JSON", links.agreement(agreement.id), icon=":material/download:")


def rail(agreement: Agreement) -> None:
    """The steps an agreement takes, and where this one stands."""
    with row(key="rail"):
        if agreement.status not in _RAIL:
            status(agreement.status)
            return
        reached = _RAIL.index(agreement.status)
        for step in _RAIL[:reached]:
            st.badge(step.label, icon=":material/check:", color="gray")
        status(agreement.status)
        for step in _RAIL[reached + 1 :]:
            st.badge(step.label, icon=":material/radio_button_unchecked:", color="gray")


def clause_card(number: int, clause: Clause) -> None:
    """One clause: its words, and honestly what each of its effects is."""
    with st.container(border=True):
        st.markdown(f"**{number}. {literal(clause.title)}**")
        st.markdown(prose(clause.rendered()))
        for effect in clause.effects():
            with row():
                status(effect.kind)
                st.caption(literal(effect.summary))


def signature_card(agreement: Agreement, signature: Signature, now: datetime) -> None:
    """One signature, verified anew as it is drawn."""
    party = agreement.institution_name if signature.party is PartyKind.INSTITUTION else agreement.lab_name
    with st.container(border=True):
        with row():
            st.markdown(f"**{literal(signature.signer_name)}** for **{literal(party)}**")
            holds = signature_holds(agreement, signature)
            st.badge(
                "signature holds" if holds else "signature does not hold",
                icon=":material/verified:" if holds else ":material/gpp_bad:",
                color="green" if holds else "red",
            )
        st.caption(f"Signed {when(signature.signed_at, now)} with the key `{signature.public_key[:16]}…`")


def signature_holds(agreement: Agreement, signature: Signature) -> bool:
    """Whether the envelope verifies with its key and covers the document as it stands."""
    try:
        payload = verify(
            Envelope.from_json(signature.envelope), [PublicKey.from_raw(bytes.fromhex(signature.public_key))]
        )
    except (ConcordatError, ValueError):
        return False
    return payload == agreement.document_bytes()


def signing(actor: Actor, agreement: Agreement) -> None:
    """Read and sign, for whoever signs next."""
    as_lab = actor.is_coordinator and agreement.status is AgreementStatus.SIGNED
    as_partner = actor.has(Role.PARTNER_LEAD, agreement.institution_id) and agreement.status is AgreementStatus.OFFERED
    if not (as_lab or as_partner):
        return
    party = agreement.lab_name if as_lab else agreement.institution_name
    verb = "Countersign" if as_lab else "Sign"
    st.header(f"{verb} for {literal(party)}", anchor=False)
    if portal().institutions.kept_key(LAB if as_lab else agreement.institution_id) is None:
        st.info(
            "Your institution keeps its own signing key, so it signs outside the portal: download the document, run "
            "`concordat agreement sign FILE --key KEY` and hand the result in.",
            icon=":material/key:",
        )
        return
    with st.form(f"agreement.sign:{agreement.id}"):
        st.markdown(
            "Your signature is made with the key that the portal holds for "
            f"**{literal(party)}**, over the document with the digest above, and is entered in the log."
        )
        st.checkbox("I have read every clause.", key="sign_read")
        st.text_input(f"Type your name to sign: {actor.name}", key="sign_name", autocomplete="off")

        def sign(who: Actor, key: str) -> Agreement:
            if not st.session_state["sign_read"]:
                raise Invalid(
                    "not_read", "Confirm that you have read every clause.", hint="Tick the box above your name."
                )
            return portal().agreements.sign(
                who,
                agreement.id,
                typed_name=st.session_state["sign_name"],
                document_digest=agreement.document_digest or "",
                idempotency_key=key,
            )

        submit(
            verb,
            f"agreement.sign:{agreement.id}",
            sign,
            done="Countersigned: the agreement is in force." if as_lab else "Signed. The lab countersigns next.",
            icon="signature",
        )


def ending(actor: Actor, agreement: Agreement) -> None:
    """Ways to end it, for whoever may."""
    lead, which = actor.has(Role.PARTNER_LEAD, agreement.institution_id), agreement.status
    name, title = literal(agreement.institution_name), literal(agreement.title)
    service = portal().agreements
    with row():
        if lead and which is AgreementStatus.OFFERED:
            confirmed(
                "Decline",
                f"agreement.decline:{agreement.id}",
                Consequence(
                    "Decline this agreement?",
                    f"**{name}** declines *{title}*. The offer ends; the lab would have to make a new one.",
                    "Decline it",
                ),
                lambda reason: lambda who, _key: service.decline(who, agreement.id, reason=reason),
                done="The offer is declined.",
                icon="thumb_down",
            )
        if actor.is_coordinator and which in (AgreementStatus.DRAFT, AgreementStatus.OFFERED, AgreementStatus.SIGNED):
            confirmed(
                "Withdraw",
                f"agreement.withdraw:{agreement.id}",
                Consequence(
                    "Withdraw this agreement?",
                    f"*{title}* is taken back from **{name}** and can no longer be signed.",
                    "Withdraw it",
                ),
                lambda reason: lambda who, _key: service.withdraw(who, agreement.id, reason=reason),
                done="The agreement is withdrawn.",
                icon="undo",
            )
        if (actor.is_coordinator or lead) and which is AgreementStatus.IN_FORCE:
            grants = [
                view for view in portal().grants.list(actor) if view.grant.agreement_id == agreement.id and view.active
            ]
            confirmed(
                "Terminate",
                f"agreement.terminate:{agreement.id}",
                Consequence(
                    "Terminate this agreement?",
                    f"*{title}* with **{name}** ends at once, and with it every grant under it "
                    f"(active now: {len(grants)}). Their next request is refused. This cannot be undone.",
                    "Terminate it",
                ),
                lambda reason: lambda who, _key: service.terminate(who, agreement.id, reason=reason),
                done="The agreement is terminated; its grants open nothing any more.",
                icon="cancel",
            )
