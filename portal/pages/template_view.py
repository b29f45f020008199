"""One template on the screen: read, compared with another of its versions, and edited into the next."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from agreements.actors import Actor
from agreements.clauses import Form, check_clauses, parse_clauses
from agreements.diffs import compare
from agreements.errors import ConcordatError
from agreements.standard_terms import Template
from portal.pages.clause_editor import clause_editor, edited_clauses
from portal.pages.clause_view import clause_card
from portal.pages.context import portal
from portal.pages.diff_view import clause_changes
from portal.pages.filters import pick
from portal.pages.parts import Consequence, act, confirmed, empty, row
from portal.pages.words import count, literal, prose, when
from portal.pages.writing import field

SCREEN = "templates"
FORMS = {
    Form.STANDALONE: "an agreement of its own",
    Form.FRAMEWORK: "a framework, vetted once",
    Form.SCHEDULE: "a schedule under a framework",
    Form.OUTPUTS: "for outputs only",
}


def badges(template: Template) -> None:
    """What sort of text it is, and whether drafts may start from it."""
    with row():
        st.badge(f"version {template.version}", icon=":material/history:", color="blue")
        st.badge(FORMS[template.form], icon=":material/contract:", color="gray")
        st.badge(count(len(template.clauses), "clause"), icon=":material/format_list_numbered:", color="gray")
        if template.retired_at is not None:
            st.badge("retired", icon=":material/inventory_2:", color="red")


def reading(chosen: Template, now: datetime) -> None:
    """One version, whole."""
    st.markdown(prose(chosen.summary))
    came = f"Published {when(chosen.published_at, now)}" if chosen.published_at else "Ships with the portal"
    note = f" · {literal(chosen.note)}" if chosen.note else ""
    st.caption(f"{came}{note}")
    for number, clause in enumerate(chosen.clauses, start=1):
        clause_card(number, clause)


def comparing(versions: Sequence[Template], chosen: Template) -> None:
    """One version against another, clause by clause."""
    others = {str(one.version): f"Version {one.version}" for one in versions if one.version != chosen.version}
    if not others:
        empty("There is only this version. Edit it to publish another.", icon="difference")
        return
    before = max((one for one in versions if one.version < chosen.version), default=versions[-1], key=_version)
    against = pick("Compared with", "against", others, screen=SCREEN, default=str(before.version))
    other = next(one for one in versions if str(one.version) == against)
    clause_changes(
        compare(other.clauses, chosen.clauses),
        before=f"Version {other.version}",
        after=f"Version {chosen.version}",
    )


def editing(newest: Template) -> None:
    """The desk on which the next version is made, from the newest."""
    form = f"template.publish:{newest.template_id}"
    st.markdown(
        f"What is published becomes **version {newest.version + 1}**. Agreements that were drafted keep their text; a "
        "campaign puts the new version to partners."
    )
    title, summary, note = field(form, "title"), field(form, "summary"), field(form, "note")
    st.text_input("Title", value=newest.title, key=title, max_chars=200)
    st.text_area("Summary", value=newest.summary, key=summary, max_chars=1000, height=80)
    clauses = clause_editor(form, newest.clauses)
    _preview(newest, clauses)
    st.text_input("What changed, for those who read it later", key=note, max_chars=2000)

    def publish(who: Actor, key: str, *, template_id: str, version: int) -> Template:
        state = st.session_state
        return portal().templates.publish(
            who,
            template_id=template_id,
            version=version,
            title=state[title].strip(),
            summary=state[summary].strip(),
            clauses=edited_clauses(form, newest.clauses),
            form=newest.form,
            note=state[note].strip(),
            idempotency_key=key,
        )

    act(
        f"Publish version {newest.version + 1}",
        form,
        lambda who, key: publish(who, key, template_id=newest.template_id, version=newest.version + 1),
        done=lambda made: f"Version {made.version} is published. Drafts start from it now.",
        then=_open,
        icon="publish",
        primary=True,
    )
    copy = f"template.copy:{newest.template_id}"
    with st.expander("Publish it as a template of its own instead", icon=":material/content_copy:"):
        st.text_input(
            "Its id",
            key=field(copy, "id"),
            max_chars=60,
            help="Lower-case letters, digits and hyphens. It never changes.",
        )
        act(
            "Publish as a new template",
            copy,
            lambda who, key: publish(who, key, template_id=st.session_state[field(copy, "id")].strip(), version=1),
            done="The template is published. Drafts can start from it now.",
            then=_open,
            icon="content_copy",
        )


def _preview(newest: Template, clauses: Sequence[object]) -> None:
    try:
        edited = parse_clauses(clauses)
        check_clauses(edited, newest.form)
    except ConcordatError as refusal:
        st.error(f"It cannot be published so: {literal(refusal.message)}", icon=":material/block:")
        return
    if edited != newest.clauses:
        with st.expander("What would change", icon=":material/difference:"):
            clause_changes(
                compare(newest.clauses, edited),
                before=f"Version {newest.version}",
                after=f"Version {newest.version + 1}",
            )


def retiring(newest: Template) -> None:
    """The way to let no further drafts start from it."""
    if newest.retired_at is not None:
        st.info("It was retired; publishing another version brings it back.", icon=":material/inventory_2:")
        return
    confirmed(
        "Retire",
        f"template.retire:{newest.template_id}",
        Consequence(
            "Retire this template?",
            f"No draft starts from *{literal(newest.title)}* any more. Agreements made from it stay as they are. "
            "Publishing another version brings it back.",
            "Retire it",
        ),
        lambda reason: (
            lambda who, key: portal().templates.retire(who, newest.template_id, reason=reason, idempotency_key=key)
        ),
        done="It is retired.",
        icon="inventory_2",
    )


def _open(made: Template) -> None:
    st.query_params.from_dict({"template": made.template_id})


def _version(template: Template) -> int:
    return template.version
