"""Publications: the list, a new one put forward, and by ``?publication=`` one with its redactions and answers."""

from datetime import date

import streamlit as st

from agreements.errors import ConcordatError
from agreements.publication import PublicationKind
from portal.inputs import parse
from portal.pages.context import current_actor, now, portal
from portal.pages.parts import empty, go, heading, row, status, submit
from portal.pages.publication_view import publication_page, typed_digest
from portal.pages.words import count, literal, sentence
from portal.pages.writing import field, refused
from portal.services.publications import PublicationView, Submission

_FORM = "publication.submit"

actor, here, at = current_actor(), portal(), now()


def open_publication(view: PublicationView) -> None:
    """Go to the publication that was just put forward."""
    st.query_params["publication"] = view.publication.id


def submitting() -> None:
    """The form that puts a file forward."""
    open_to = {agreement.id: (agreement, terms) for agreement, terms in here.publications.reviewable(actor)}
    if not open_to:
        return
    with st.expander("Put a publication forward", icon=":material/add:"), st.form(_FORM):
        st.selectbox(
            "Under which agreement",
            list(open_to),
            format_func=lambda key: f"{open_to[key][0].title} ({count(open_to[key][1].window_days, 'day')})",
            key=field(_FORM, "agreement"),
        )
        st.text_input("Title", key=field(_FORM, "title"), max_chars=160)
        st.selectbox(
            "Kind",
            list(PublicationKind),
            format_func=lambda kind: sentence(kind.value),
            key=field(_FORM, "kind"),
        )
        st.text_input(
            "SHA-256 of the file",
            key=field(_FORM, "sha256"),
            max_chars=400,
            help="The file is not uploaded. 'sha256sum FILE' or 'concordat publication digest FILE' prints its digest.",
        )
        st.text_input("Where the lab can read it, if you like", key=field(_FORM, "url"), max_chars=500)
        st.text_input("Venue", key=field(_FORM, "venue"), max_chars=160)
        st.date_input("Planned for", value=None, min_value=at.date(), key=field(_FORM, "planned"))

        def submission() -> Submission:
            state = st.session_state
            planned: date | None = state[field(_FORM, "planned")]
            return parse(
                Submission,
                {
                    "agreement_id": state[field(_FORM, "agreement")],
                    "title": state[field(_FORM, "title")],
                    "kind": state[field(_FORM, "kind")],
                    "sha256": typed_digest(state[field(_FORM, "sha256")]),
                    "url": state[field(_FORM, "url")].strip(),
                    "venue": state[field(_FORM, "venue")].strip(),
                    "planned_for": planned,
                },
            )

        submit(
            "Put it forward",
            _FORM,
            lambda who, key: here.publications.submit(who, submission(), idempotency_key=key),
            done="It is put forward. If the lab says nothing until its window ends, it is cleared.",
            then=open_publication,
            icon="newspaper",
        )


def line(view: PublicationView) -> None:
    """One publication in the list."""
    publication = view.publication
    with st.container(border=True, key=f"publication_{publication.id}"):
        st.markdown(f"**{literal(publication.title)}**")
        with row():
            go(publication.id, "publications", icon="newspaper", publication=publication.id)
            status(view.status)
        st.caption(f"{literal(publication.institution_name)} · {publication.kind.value} · {literal(view.says)}")


def listing() -> None:
    """All publications that the reader may see."""
    heading(
        "Publications",
        "What institutions are about to publish. The lab has the agreement's window to ask for redactions, on the "
        "agreement's grounds; silence clears. It has no veto: what it maintains is recorded beside the answer.",
    )
    submitting()
    views = here.publications.list(actor)
    if not views:
        empty("Nothing has been put forward for review.", icon="newspaper")
    for view in views:
        line(view)


def detail(publication_id: str) -> None:
    """One publication."""
    go("All publications", "publications", icon="arrow_back")
    try:
        view = here.publications.get(actor, publication_id)
    except ConcordatError as refusal:
        heading("Publication")
        refused(refusal)
        return
    heading(literal(view.publication.title))
    publication_page(view, at)


selected = st.query_params.get("publication")
if selected:
    detail(selected)
else:
    listing()
