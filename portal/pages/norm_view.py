"""One norm on the screen: the revision, what it rests on, who says what to it, and the next step."""

from datetime import datetime
from typing import Any

import streamlit as st

from agreements.actors import LAB, Actor
from agreements.dsse import Envelope, verify
from agreements.errors import ConcordatError
from agreements.keys import PublicKey
from portal.inputs import parse
from portal.norms.model import Choice, Decision, EvidenceLink, NormText, Objection, Outcome
from portal.norms.service import NormView, PositionDraft, PositionView
from portal.pages.context import portal
from portal.pages.frame import institution_name
from portal.pages.norm_text import read, typed
from portal.pages.parts import act, copyable, go, heading, row, status
from portal.pages.words import literal, prose, sentence, short, when

CHOICE_MEANS = {
    Choice.SUPPORT: "we want this",
    Choice.NO_OBJECTION: "we can live with it",
    Choice.STAND_ASIDE: "not for us, but we do not stand in the way",
    Choice.OBJECT: "it does harm, and here is what would cure it",
    Choice.RECUSE: "we have an interest and do not count",
}


def norm_page(actor: Actor, view: NormView, now: datetime) -> None:
    """The whole norm."""
    heading(literal(view.title))
    with row():
        st.markdown(f"`{view.norm_id}` revision {view.revision}")
        if view.outcome:
            status(view.outcome.decision)
        else:
            st.badge("open", icon=":material/how_to_vote:", color="orange")
    current = [position for position in view.positions if not position.is_stale]
    counted = sum(position.position is not Choice.RECUSE for position in current)
    st.caption(
        f"Proposed by {literal(institution_name(view.institution_id))} · positions of {counted} institutions, "
        f"{view.quorum} needed"
    )
    if view.outcome:
        outcome_card(view.outcome, now)
    st.header("Clauses", anchor=False)
    for clause in view.clauses:
        with st.container(border=True):
            st.caption(f"`{clause.clause_id}`")
            st.markdown(prose(clause.text))
    copyable("Digest of this revision: what every position is pinned to", view.revision_digest)
    evidence(view)
    st.header("Positions", anchor=False)
    if not view.positions:
        st.markdown("No institution has taken a position yet.")
    for position in reversed(view.positions):
        position_card(position, now)
    for institution_id in view.awaiting:
        taking(view, institution_id)
    if view.may_revise:
        revising(actor, view)
    if view.blocked:
        deciding(view)
    if len(view.history) > 1:
        st.header("Revisions", anchor=False)
        for line in reversed(view.history):
            st.markdown(
                f"**Revision {line.number}**, {when(line.made_at, now)}, `{short(line.digest)}` {literal(line.note)}"
            )


def outcome_card(outcome: Outcome, now: datetime) -> None:
    """How it ended, with the dissent in the objectors' own words."""
    with st.container(border=True, key="norm_outcome"):
        with row():
            st.markdown("**Outcome**")
            status(outcome.decision)
        st.markdown(prose(outcome.rationale))
        said = ", ".join(f"{n} {choice.label}" for choice, n in outcome.tally.items() if n)
        st.caption(f"Recorded {when(outcome.recorded_at, now)} · {said or 'no positions'}")
        for dissent in outcome.dissent:
            st.markdown(f"**Dissent of {literal(institution_name(dissent.institution_id))}** on `{dissent.clause_id}`")
            st.markdown(f"{prose(dissent.reason)}  \n*Harm:* {prose(dissent.harm)}  \n*Cure:* {prose(dissent.cure)}")


def evidence(view: NormView) -> None:
    """The findings it rests on, as far as the reader may know of them."""
    if not view.evidence and not view.hidden_evidence:
        return
    st.header("Evidence", anchor=False)
    for link in view.evidence:
        with row():
            go(
                f"{link.finding_id}, version {link.version}",
                "findings",
                icon="lab_profile",
                finding=link.finding_id,
                version=str(link.version),
            )
            st.caption(f"{link.relation.value} {f'clause {link.clause_id}' if link.clause_id else 'the norm'}")
    if view.hidden_evidence:
        st.caption(f"{len(view.hidden_evidence)} more that you may not read; their digests are part of what is signed.")


def position_card(position: PositionView, now: datetime) -> None:
    """One position, its signature verified anew."""
    with st.container(border=True):
        with row():
            st.markdown(f"**{literal(institution_name(position.institution_id))}**")
            status(position.position)
            if position.is_stale:
                st.badge(f"on revision {position.revision}, replaced", icon=":material/history:", color="gray")
            holds = signature_holds(position)
            st.badge(
                "signature holds" if holds else "signature does not hold",
                icon=":material/verified:" if holds else ":material/gpp_bad:",
                color="green" if holds else "red",
            )
        if position.reason:
            st.markdown(prose(position.reason))
        if position.objection:
            said = position.objection
            st.markdown(f"*Clause* `{said.clause_id}`  \n*Harm:* {prose(said.harm)}  \n*Cure:* {prose(said.cure)}")
        st.caption(f"Taken {when(position.taken_at, now)} with the key `{position.public_key[:16]}…`")


def signature_holds(position: PositionView) -> bool:
    """Whether the envelope verifies with the key it names."""
    try:
        verify(Envelope.from_json(position.envelope), [PublicKey.from_raw(bytes.fromhex(position.public_key))])
    except (ConcordatError, ValueError):
        return False
    return True


def taking(view: NormView, institution_id: str) -> None:
    """The form by which an institution's representative takes a position on exactly this revision."""
    form = f"norm.position:{view.norm_id}:{institution_id}"
    name = "the lab" if institution_id == LAB else institution_name(institution_id)
    with st.container(border=True, key=f"position_form_{institution_id}"):
        st.markdown(f"**The position of {literal(name)}** on revision {view.revision}")
        if portal().institutions.kept_key(institution_id) is None:
            st.info(
                "The portal holds no key of this institution. Prepare the statement by `POST /api/norms/"
                f"{view.norm_id}/positions/prepare`, sign it with your own key and hand it in.",
                icon=":material/key:",
            )
            return
        st.radio(
            "Position",
            list(Choice),
            format_func=lambda value: f"{sentence(value.label)}: {CHOICE_MEANS[value]}",
            key=f"{form}.choice",
        )
        choice: Choice = st.session_state[f"{form}.choice"]
        st.text_area("Reason", key=f"{form}.reason", max_chars=4000, height=90)
        if choice is Choice.OBJECT:
            st.selectbox("Clause", [clause.clause_id for clause in view.clauses], key=f"{form}.clause")
            st.text_area("What harm it does", key=f"{form}.harm", max_chars=4000, height=90)
            st.text_area("What would cure it", key=f"{form}.cure", max_chars=4000, height=90)
        st.caption(f"Signed with the institution's key over revision `{short(view.revision_digest)}`, and logged.")
        act(
            "Sign and take the position",
            form,
            lambda who, key: portal().norms.take_position(
                who, view.norm_id, _position(form, view, institution_id), idempotency_key=key
            ),
            done="The position is taken.",
            icon="signature",
            primary=True,
        )


def _position(form: str, view: NormView, institution_id: str) -> PositionDraft:
    state = st.session_state
    objection: Objection | None = None
    if state[f"{form}.choice"] is Choice.OBJECT:
        objection = parse(
            Objection,
            {"clause_id": state[f"{form}.clause"], "harm": state[f"{form}.harm"], "cure": state[f"{form}.cure"]},
        )
    return parse(
        PositionDraft,
        {
            "institution_id": institution_id,
            "revision_digest": view.revision_digest,
            "position": state[f"{form}.choice"],
            "reason": state[f"{form}.reason"],
            "objection": objection,
        },
    )


def revising(actor: Actor, view: NormView) -> None:
    """The form by which its proposer makes another revision."""
    form = f"norm.revise:{view.norm_id}"
    with st.expander("Revise: positions taken so far become stale", icon=":material/edit:"):
        text_fields(actor, form, view)
        st.text_input("What changed and why", key=f"{form}.note", max_chars=160)
        act(
            "Make the revision",
            form,
            lambda who, key: portal().norms.revise(
                who,
                view.norm_id,
                text_of(form),
                base=view.revision_digest,
                note=st.session_state[f"{form}.note"],
                idempotency_key=key,
            ),
            done=lambda made: f"Revision {made.revision} of {made.norm_id} is out. Institutions answer anew.",
            icon="edit_document",
        )


def text_fields(actor: Actor, form: str, before: NormView | None = None) -> None:
    """Title, clauses and evidence of a norm, for proposing and for revising."""
    st.text_input("Title", value=before.title if before else "", key=f"{form}.title", max_chars=160)
    st.text_area(
        "Clauses, one a paragraph, with a blank line between",
        value=typed(before.clauses) if before else "",
        key=f"{form}.clauses",
        height=200,
        help="A paragraph may begin with a name and a colon, such as 'nulls: …'. Names stay from revision to revision.",
    )
    given = list(before.evidence) if before else []
    known = {link.finding_id: link for link in given}
    for finding in portal().findings.list(actor, limit=100).rows:
        known.setdefault(
            finding.finding_id,
            EvidenceLink(finding_id=finding.finding_id, version=finding.version, digest=finding.digest),
        )
    st.multiselect(
        "Findings it rests on",
        list(known.values()),
        default=given,
        format_func=lambda link: f"{link.finding_id}, version {link.version}",
        key=f"{form}.evidence",
    )


def text_of(form: str) -> NormText:
    """What the fields say. Raises Invalid."""
    state = st.session_state
    values: dict[str, Any] = {
        "title": state[f"{form}.title"],
        "clauses": tuple(read(state[f"{form}.clauses"])),
        "evidence": tuple(state[f"{form}.evidence"]),
    }
    return parse(NormText, values)


def deciding(view: NormView) -> None:
    """The form by which a coordinator records the outcome, with what stands in the way of each."""
    form = f"norm.outcome:{view.norm_id}"
    with st.container(border=True, key="outcome_form"):
        st.markdown("**Record the outcome**")
        st.radio("Outcome", list(Decision), format_func=lambda value: sentence(value.label), key=f"{form}.decision")
        choice: Decision = st.session_state[f"{form}.decision"]
        for reason in view.blocked.get(choice, ()):
            st.caption(f":material/block: {literal(reason)}")
        objecting = [p for p in view.positions if not p.is_stale and p.position is Choice.OBJECT]
        if objecting:
            st.caption(
                f"{len(objecting)} objection{'s' if len(objecting) > 1 else ''} will be carried into the outcome as "
                "dissent, in the objectors' own words."
            )
        st.text_area("Rationale", key=f"{form}.rationale", max_chars=4000, height=110)
        act(
            "Record it",
            form,
            lambda who, key: portal().norms.record_outcome(
                who,
                view.norm_id,
                st.session_state[f"{form}.decision"],
                revision_digest=view.revision_digest,
                rationale=st.session_state[f"{form}.rationale"],
                idempotency_key=key,
            ),
            done=f"The outcome of {view.norm_id} is recorded.",
            icon="gavel",
        )
