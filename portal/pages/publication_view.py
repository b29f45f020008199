"""One publication on the screen: where it stands and until when, what was said, and what its reader may do next."""

from datetime import UTC, date, datetime
from typing import Any

import streamlit as st

from agreements.actors import PartyKind
from agreements.publication import Act, Publication, PublicationKind, Statement
from portal.inputs import parse
from portal.pages import links
from portal.pages.context import portal
from portal.pages.parts import Consequence, confirmed, copyable, fields, row, status, submit
from portal.pages.words import literal, prose, sentence, when
from portal.pages.writing import field
from portal.services.publications import Appearance, PublicationView, RedactionRequest, RedactionView

GROUND_MEANS = {
    "confidential_information": "confidential information",
    "safety": "safety",
    "factual_error": "a factual error",
}


def publication_page(view: PublicationView, now: datetime) -> None:
    """All of it, for either side."""
    publication = view.publication
    article = "An" if publication.kind is PublicationKind.ABSTRACT else "A"
    st.markdown(f"{article} {publication.kind.value} by **{literal(publication.institution_name)}**")
    with row(key="publication_status"):
        status(view.status)
        if view.turn is not None:
            whose = publication.lab_name if view.turn is PartyKind.LAB else publication.institution_name
            st.badge(f"{literal(whose)} moves next", icon=":material/person_alert:", color="violet")
    st.markdown(f"{sentence(literal(view.says))}.")
    facts(publication, now)
    if view.cleared_at is not None:
        st.link_button(
            "Download the clearance letter", links.publication(publication.id), icon=":material/verified_user:"
        )
    outcome(publication, now)
    redactions(view, now)
    if Act.ASK in view.may:
        asking(publication)
    if Act.PUBLISH in view.may:
        publishing(publication, now)
    with row():
        if Act.CLEAR in view.may:
            clearing(publication)
        if Act.WITHDRAW in view.may:
            withdrawing(publication)


def facts(publication: Publication, now: datetime) -> None:
    """What was put forward."""
    given = [
        ("Put forward", f"{when(publication.opened_at, now)} by {literal(publication.submitted_by_name)}"),
        ("Window of the lab ends", when(publication.clears_at, now)),
        ("Venue", literal(publication.venue)),
        ("Planned for", publication.planned_for.isoformat() if publication.planned_for else ""),
    ]
    fields([(name, value) for name, value in given if value])
    if publication.planned_for and publication.clears_at and publication.planned_for < publication.clears_at.date():
        st.caption(":material/schedule: It is planned for a day before the lab's window ends.")
    copyable("SHA-256 of the file that was put forward; the file stays with its authors", publication.sha256)
    if publication.current_sha256 != publication.sha256:
        copyable("SHA-256 of the file with the redactions that were made", publication.current_sha256)
    if publication.url:
        copyable("Where the lab can read it", publication.url)


def outcome(publication: Publication, now: datetime) -> None:
    """Where it appeared, once that is recorded."""
    found = publication.outcome
    if found is None:
        if publication.withdrawn is not None:
            st.warning(f"Taken out of review: {literal(publication.withdrawn.text)}", icon=":material/undo:")
        return
    st.header("Published", anchor=False)
    if found.over_objection:
        st.warning("Over the lab's objection. Both statements stand below.", icon=":material/gavel:")
    st.markdown(f"On {found.published_on.isoformat()}. Credits: {literal(', '.join(found.credits))}")
    for name, value in (("DOI", found.doi), ("Address", found.link)):
        if value:
            copyable(name, value)
    st.caption(f"Recorded by {literal(found.recorded.by_name)} {when(found.recorded.at, now)}")


def redactions(view: PublicationView, now: datetime) -> None:
    """Everything the lab asked for, with every answer."""
    if not view.redactions:
        return
    st.header("Redactions", anchor=False)
    st.caption(
        "What is contested and not maintained in time is deemed withdrawn. What is maintained does not stop "
        "publication."
    )
    for entry in view.redactions:
        redaction_card(view.publication, entry, now)


def redaction_card(publication: Publication, entry: RedactionView, now: datetime) -> None:
    """One redaction."""
    redaction = entry.redaction
    with st.container(border=True, key=f"redaction_{redaction.number}"):
        with row():
            st.markdown(f"**{redaction.number}.**")
            status(entry.status)
            st.badge(literal(GROUND_MEANS[redaction.ground.value]), icon=":material/label:", color="gray")
        st.markdown(f"*Passage:* {prose(redaction.where)}")
        said("Asked", redaction.asked, now)
        said("Contested", redaction.contested, now)
        if redaction.contested is not None and Act.MAINTAIN in entry.may:
            st.caption(f"Deemed withdrawn {when(redaction.contested.answer_by, now)} unless the lab maintains it.")
        said("Maintained", redaction.maintained, now)
        said("Made", redaction.accepted, now)
        said("Taken back", redaction.withdrawn, now)
        if Act.ACCEPT in entry.may:
            making(publication, entry)
        if Act.CONTEST in entry.may:
            arguing(publication, entry, Act.CONTEST)
        if Act.MAINTAIN in entry.may:
            arguing(publication, entry, Act.MAINTAIN)
        if Act.DROP in entry.may:
            dropping(publication, entry)


def said(verb: str, statement: Statement | None, now: datetime) -> None:
    """One statement, with who made it and when."""
    if statement is None:
        return
    if statement.text:
        st.markdown(prose(statement.text))
    st.caption(f"{verb} by {literal(statement.by_name)} {when(statement.at, now)}")


def typed_digest(text: str) -> str:
    """A digest as people paste it: with or without its prefix, or as ``sha256sum`` prints it before the file's name."""
    first = (text.split() or [""])[0].lower()
    return first if first.startswith("sha256:") else f"sha256:{first}"


def asking(publication: Publication) -> None:
    """The form by which the lab asks for a redaction."""
    form = f"publication.ask:{publication.id}"
    permitted = sorted(publication.terms.grounds) if publication.terms is not None else []
    with st.expander("Ask for a redaction", icon=":material/ink_eraser:"), st.form(form):
        st.text_area("Passage, by page, section or words", key=field(form, "where"), max_chars=1000, height=70)
        st.selectbox(
            "Ground; the agreement permits no other",
            [ground.value for ground in permitted],
            format_func=lambda value: sentence(GROUND_MEANS[value]),
            key=field(form, "ground"),
        )
        st.text_area("Reason; the institution reads it", key=field(form, "reason"), max_chars=4000, height=90)

        def wanted() -> RedactionRequest:
            values = {name: st.session_state[field(form, name)] for name in ("where", "ground", "reason")}
            return parse(RedactionRequest, values)

        submit(
            "Ask for it",
            form,
            lambda who, key: portal().publications.ask(who, publication.id, [wanted()], idempotency_key=key),
            done="The redaction is asked for. The institution answers next.",
            icon="ink_eraser",
        )


def making(publication: Publication, entry: RedactionView) -> None:
    """The form by which the institution makes a redaction."""
    number = entry.redaction.number
    form = f"publication.accept:{publication.id}:{number}"
    with st.form(form):
        st.text_input("SHA-256 of the file with the redaction made", key=field(form, "sha256"), max_chars=400)
        submit(
            "It is made",
            form,
            lambda who, key: portal().publications.accept(
                who,
                publication.id,
                number,
                sha256=typed_digest(st.session_state[field(form, "sha256")]),
                idempotency_key=key,
            ),
            done=f"Redaction {number} is made.",
            icon="check",
        )


def arguing(publication: Publication, entry: RedactionView, act: Act) -> None:
    """The form by which one side holds against the other: contests, or maintains."""
    number, service = entry.redaction.number, portal().publications
    contests = act is Act.CONTEST
    form = f"publication.{act.value}:{publication.id}:{number}"
    call = service.contest if contests else service.maintain
    with st.form(form):
        st.text_area("Your reason; it stays on record", key=field(form, "reason"), max_chars=4000, height=90)
        submit(
            "Contest it" if contests else "Maintain it",
            form,
            lambda who, key: call(
                who, publication.id, number, reason=st.session_state[field(form, "reason")], idempotency_key=key
            ),
            done="Contested. The lab has another window to maintain it."
            if contests
            else "Maintained. It may be published over the objection, and both statements stay on record.",
            icon="forum" if contests else "gavel",
        )


def dropping(publication: Publication, entry: RedactionView) -> None:
    """The lab takes a redaction back."""
    number = entry.redaction.number
    confirmed(
        "Take it back",
        f"publication.drop:{publication.id}:{number}",
        Consequence(
            "Take this redaction back?",
            f"The lab no longer asks for redaction {number} of *{literal(publication.title)}*. It stays on record as "
            "asked for and withdrawn.",
            "Take it back",
            asks_reason=False,
        ),
        lambda _reason: lambda who, key: portal().publications.drop(who, publication.id, number, idempotency_key=key),
        done=f"Redaction {number} is taken back.",
        icon="undo",
    )


def clearing(publication: Publication) -> None:
    """The lab clears it before the window ends."""
    confirmed(
        "Clear it now",
        f"publication.clear:{publication.id}",
        Consequence(
            "Clear this publication?",
            f"**{literal(publication.institution_name)}** may publish *{literal(publication.title)}* at once. "
            "Redactions still open fall away, and the lab can ask for no more.",
            "Clear it",
            asks_reason=False,
        ),
        lambda _reason: lambda who, key: portal().publications.clear(who, publication.id, idempotency_key=key),
        done="It is cleared. Both sides can download the letter.",
        icon="verified",
    )


def withdrawing(publication: Publication) -> None:
    """The institution takes it out of review."""
    confirmed(
        "Take it out of review",
        f"publication.withdraw:{publication.id}",
        Consequence(
            "Take this publication out of review?",
            f"The review of *{literal(publication.title)}* ends without a clearance. To publish it later, put it "
            "forward again; the window begins anew.",
            "Take it out",
        ),
        lambda reason: (
            lambda who, key: portal().publications.withdraw(who, publication.id, reason=reason, idempotency_key=key)
        ),
        done="It is out of review.",
        icon="undo",
    )


def publishing(publication: Publication, now: datetime) -> None:
    """The form by which the institution records where it appeared."""
    form = f"publication.publish:{publication.id}"
    with st.expander("Record where it appeared", icon=":material/newspaper:"), st.form(form):
        st.text_input("DOI", key=field(form, "doi"), max_chars=200, placeholder="10.5555/12345")
        st.text_input("Address", key=field(form, "link"), max_chars=500, placeholder="https://")
        st.date_input("Published on", value=now.astimezone(UTC).date(), key=field(form, "day"))
        st.text_area("Credits, one name a line", key=field(form, "credits"), height=90)

        def appearance() -> Appearance:
            state = st.session_state
            day: date = state[field(form, "day")]
            values: dict[str, Any] = {
                "doi": state[field(form, "doi")].strip(),
                "link": state[field(form, "link")].strip(),
                "published_on": day,
                "credits": tuple(line for line in state[field(form, "credits")].split("\n") if line.strip()),
            }
            return parse(Appearance, values)

        submit(
            "Record it",
            form,
            lambda who, key: portal().publications.publish(who, publication.id, appearance(), idempotency_key=key),
            done="It is on record as published.",
            icon="newspaper",
        )
