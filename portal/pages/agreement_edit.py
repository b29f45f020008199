"""Writing a text: the lab's draft, an answer to the other side's text, or a change of what is in force."""

from datetime import datetime, timedelta

import streamlit as st

from agreements.actors import Actor
from agreements.agreement import Agreement, Change, Version
from agreements.clauses import Clause, Term, only, parse_clauses
from agreements.diffs import compare
from agreements.errors import Invalid
from agreements.scopes import family_selector
from portal.pages.clause_editor import clause_editor, edited_clauses
from portal.pages.clause_fields import Offered
from portal.pages.context import portal
from portal.pages.diff_view import QUIET, clause_changes
from portal.pages.parts import act
from portal.pages.words import count, literal, when
from portal.pages.writing import field

EDIT = "edit"
"""The name in the address of what is being written: ``counter``, ``amendment`` or ``renewal``."""


def draft_editor(actor: Actor, agreement: Agreement, draft: Version) -> None:
    """The lab's draft, and the button that freezes and offers it."""
    form = f"agreement.edit:{agreement.id}"
    st.info(
        "A draft: only coordinators see it. The offer freezes it; from then on its digest is what is signed.",
        icon=":material/edit_note:",
    )
    touched = _text(actor, form, draft)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        act(
            "Save the draft",
            form,
            lambda who, _key: portal().agreements.edit(
                who, agreement.id, title=_title(form), clauses=edited_clauses(form, draft.clauses), note=_note(form)
            ),
            done="The draft is saved.",
            icon="save",
            primary=touched,
        )
        if touched:
            st.markdown("Not saved yet. What is offered is what was saved.")
        else:
            act(
                f"Offer it to {literal(agreement.institution_name)}",
                f"agreement.offer:{agreement.id}",
                lambda who, key: portal().agreements.offer(who, agreement.id, idempotency_key=key),
                done=f"Offered to {literal(agreement.institution_name)}, who can sign it or answer with another text.",
                icon="send",
                primary=True,
            )


def answer_editor(actor: Actor, agreement: Agreement, tabled: Version) -> None:
    """Another text for the one on the table."""
    form = f"agreement.counter:{agreement.id}:{tabled.number}"
    st.header(f"Your answer to version {tabled.number}", anchor=False)
    st.markdown(
        "It is put on the table as a new version; the one before can no longer be signed. Say in the note why, so that "
        "the other side need not guess."
    )
    _text(actor, form, tabled)
    act(
        "Put it on the table",
        form,
        lambda who, key: portal().agreements.counter(
            who,
            agreement.id,
            title=_title(form),
            clauses=edited_clauses(form, tabled.clauses),
            note=_note(form),
            idempotency_key=key,
        ),
        done="Your text is on the table; the other side moves next.",
        then=_leave,
        icon="swap_horiz",
        primary=True,
    )


def change_editor(actor: Actor, agreement: Agreement, governing: Version, change: Change, now: datetime) -> None:
    """A change of what is in force, proposed by the institution."""
    form = f"agreement.propose:{agreement.id}:{change.value}:{governing.number}"
    article = "An" if change is Change.AMENDMENT else "A"
    st.header(f"{article} {change.value} of version {governing.number}", anchor=False)
    st.markdown(
        "It is put on the table for the lab to answer. Until both have signed, what is in force stays in force."
        if change is Change.AMENDMENT
        else "The term begins anew when the present one ends. The clauses can stay as they are."
    )
    if change is Change.RENEWAL:
        renewal_window(agreement, now)
    _text(actor, form, governing)
    act(
        f"Propose the {change.value}",
        form,
        lambda who, key: portal().agreements.propose(
            who,
            agreement.id,
            change=change,
            title=_title(form),
            clauses=edited_clauses(form, governing.clauses),
            note=_note(form),
            idempotency_key=key,
        ),
        done=f"The {change.value} is on the table; the lab answers next.",
        then=_leave,
        icon="swap_horiz",
        primary=True,
    )


def renewal_window(agreement: Agreement, now: datetime) -> None:
    """When the clause on the term lets a renewal be proposed, and how often it still may be."""
    term, ends = only(agreement.clauses, Term), agreement.expires_at
    if term is None or ends is None:
        return
    said = []
    if term.renewal_window_days is not None:
        opens = ends - timedelta(days=term.renewal_window_days)
        said.append(f"a renewal can be proposed from {when(opens, now)} on, until the term ends {when(ends, now)}")
    if term.renewals is not None:
        said.append(f"{agreement.renewals()} of {count(term.renewals, 'renewal')} used")
    if said:
        st.caption(f":material/event: By the clause on the term, {'; '.join(said)}.")


def _text(actor: Actor, form: str, base: Version) -> bool:
    """Title, clauses and note, and below them what they change. Returns whether anything differs from ``base``."""
    for name, label, value in (("title", "Title of the agreement", base.title), ("note", "Note", _own_note(base))):
        if field(form, name) not in st.session_state:
            st.session_state[field(form, name)] = value
        if name == "title":
            st.text_input(label, key=field(form, name), max_chars=200, persist_state="session")
    edited = clause_editor(form, base.clauses, offered=_offered(actor))
    st.text_area(
        "Note: what changed, and why",
        key=field(form, "note"),
        max_chars=2000,
        height=80,
        persist_state="session",
    )
    return _changed(base, edited) or _title(form) != base.title or _note(form) != _own_note(base)


def _own_note(base: Version) -> str:
    """The note of the text itself while it is a draft; an answer has a note of its own."""
    return base.note if base.tabled_at is None else ""


def _changed(base: Version, edited: list[dict[str, object]]) -> bool:
    """Show what the text on the desk changes. Returns whether it changes anything."""
    try:
        after: tuple[Clause, ...] = parse_clauses(edited)
    except Invalid:
        st.warning("A clause marked above does not hold yet.", icon=":material/error:")
        return True
    if after == base.clauses:
        return False
    changes = compare(base.clauses, after)
    loud = sum(change.kind not in QUIET for change in changes)
    with st.expander(f"What you changed: {count(loud, 'clause')}", icon=":material/difference:"):
        clause_changes(changes, before=f"Version {base.number}", after="Your text")
    return True


def _offered(actor: Actor) -> Offered:
    views = portal().checkpoints.list(actor)
    names = [view.checkpoint.id for view in views] + [family_selector(view.checkpoint.family) for view in views]
    return {"checkpoints": tuple(dict.fromkeys(names))}


def _title(form: str) -> str:
    title: str = st.session_state[field(form, "title")]
    return title.strip()


def _note(form: str) -> str:
    note: str = st.session_state[field(form, "note")]
    return note.strip()


def _leave(_agreement: Agreement) -> None:
    st.query_params.pop(EDIT, None)
    st.query_params["part"] = "changes"
