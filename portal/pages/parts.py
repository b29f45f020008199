"""The pieces that screens are made of. A status is always icon, text and colour together."""

import html
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import streamlit as st

from agreements.access_requests import RequestStatus
from agreements.agreement import AgreementStatus, VersionStatus
from agreements.clauses import EffectKind
from agreements.diffs import ChangeKind
from agreements.duties import DutyState
from agreements.errors import ConcordatError
from agreements.identity_providers import ProviderStatus
from agreements.invitations import InvitationStatus
from agreements.people import PersonState
from agreements.publication import PublicationStatus, RedactionStatus
from agreements.vetting import ItemStatus
from model_access.batches import BatchStatus
from model_access.replay import Verdict as Outcome
from model_access.runs import RunStatus
from model_access.stages import Stage
from portal.findings.marking import Tlp
from portal.findings.model import Severity, Status
from portal.norms.model import Choice, Decision
from portal.pages.menu import current, may_open, path_of
from portal.pages.words import literal, plain
from portal.pages.writing import Call, forget, instance, outcome, perform, refused, send
from portal.release.model import Verdict
from portal.services.campaigns import Step
from portal.webhooks.decider import WebhookStatus

T = TypeVar("T")

Colour = Literal["red", "orange", "yellow", "blue", "green", "violet", "gray"]


@dataclass(frozen=True)
class Look:
    """How one value of an enumeration is shown."""

    icon: str
    colour: Colour


_PLAIN = Look("circle", "gray")

LOOKS: Mapping[object, Look] = {
    AgreementStatus.DRAFT: Look("edit_note", "gray"),
    AgreementStatus.OFFERED: Look("outgoing_mail", "orange"),
    AgreementStatus.COUNTERED: Look("swap_horiz", "orange"),
    AgreementStatus.SIGNED: Look("signature", "blue"),
    AgreementStatus.IN_FORCE: Look("verified", "green"),
    AgreementStatus.SUSPENDED: Look("pause_circle", "red"),
    AgreementStatus.EXPIRED: Look("event_busy", "gray"),
    VersionStatus.SUPERSEDED: Look("history", "gray"),
    VersionStatus.REPLACED: Look("history", "gray"),
    AgreementStatus.DECLINED: Look("thumb_down", "red"),
    AgreementStatus.WITHDRAWN: Look("undo", "gray"),
    AgreementStatus.TERMINATED: Look("cancel", "red"),
    EffectKind.ENFORCED: Look("shield_lock", "green"),
    EffectKind.DUTY: Look("event_repeat", "blue"),
    EffectKind.TRACKED: Look("visibility", "gray"),
    ChangeKind.ADDED: Look("add_circle", "green"),
    ChangeKind.REMOVED: Look("remove_circle", "red"),
    ChangeKind.CHANGED: Look("edit", "orange"),
    ChangeKind.MOVED: Look("swap_vert", "blue"),
    ChangeKind.SAME: Look("equal", "gray"),
    DutyState.UPCOMING: Look("event", "gray"),
    DutyState.DUE: Look("notifications_active", "orange"),
    DutyState.OVERDUE: Look("alarm", "red"),
    DutyState.FULFILLED: Look("task_alt", "green"),
    DutyState.WAIVED: Look("remove_done", "gray"),
    DutyState.DROPPED: Look("event_busy", "gray"),
    ItemStatus.MISSING: Look("radio_button_unchecked", "gray"),
    ItemStatus.SUBMITTED: Look("hourglass_top", "blue"),
    ItemStatus.RETURNED: Look("undo", "orange"),
    ItemStatus.VALID: Look("verified", "green"),
    ItemStatus.LAPSED: Look("timer_off", "red"),
    ItemStatus.REVOKED: Look("block", "red"),
    Step.NOT_PROPOSED: Look("block", "red"),
    Step.COUNTERED: Look("forum", "orange"),
    Step.ENDED: Look("event_busy", "gray"),
    WebhookStatus.ACTIVE: Look("check_circle", "green"),
    WebhookStatus.PAUSED: Look("pause_circle", "orange"),
    ProviderStatus.REMOVED: Look("delete", "gray"),
    InvitationStatus.OPEN: Look("mail", "orange"),
    PersonState.WAITING: Look("hourglass_top", "orange"),
    PersonState.REFUSED: Look("block", "red"),
    PersonState.DEACTIVATED: Look("person_off", "red"),
    Stage.WITHHELD: Look("lock", "red"),
    Stage.PARTNER_ACCESS: Look("handshake", "orange"),
    Stage.PUBLIC: Look("public", "green"),
    Stage.RETIRED: Look("inventory_2", "gray"),
    Outcome.IDENTICAL: Look("verified", "green"),
    Outcome.PARTS: Look("call_split", "orange"),
    BatchStatus.VALIDATING: Look("fact_check", "blue"),
    BatchStatus.IN_PROGRESS: Look("play_circle", "blue"),
    BatchStatus.FINALIZING: Look("hourglass_top", "blue"),
    BatchStatus.CANCELLING: Look("stop_circle", "orange"),
    BatchStatus.CANCELLED: Look("stop_circle", "gray"),
    RunStatus.STARTED: Look("hourglass_top", "blue"),
    RunStatus.COMPLETED: Look("receipt_long", "green"),
    RunStatus.FAILED: Look("error", "red"),
    Status.FILED: Look("inbox", "orange"),
    Status.ACKNOWLEDGED: Look("mark_email_read", "blue"),
    Status.CLOSED: Look("task_alt", "green"),
    Status.WITHDRAWN: Look("undo", "gray"),
    Severity.NEGLIGIBLE: Look("signal_cellular_0_bar", "gray"),
    Severity.LOW: Look("signal_cellular_1_bar", "green"),
    Severity.MODERATE: Look("signal_cellular_2_bar", "orange"),
    Severity.HIGH: Look("signal_cellular_3_bar", "red"),
    Severity.CRITICAL: Look("signal_cellular_4_bar", "red"),
    Choice.SUPPORT: Look("thumb_up", "green"),
    Choice.NO_OBJECTION: Look("check", "blue"),
    Choice.STAND_ASIDE: Look("do_not_step", "gray"),
    Choice.OBJECT: Look("gavel", "red"),
    Choice.RECUSE: Look("remove", "gray"),
    Decision.ADOPTED: Look("verified", "green"),
    Decision.ADOPTED_WITH_DISSENT: Look("rule", "green"),
    Decision.RETURNED: Look("undo", "orange"),
    Decision.REJECTED: Look("cancel", "red"),
    Decision.WITHDRAWN: Look("undo", "gray"),
    PublicationStatus.UNDER_REVIEW: Look("hourglass_top", "blue"),
    PublicationStatus.REDACTIONS_ASKED: Look("ink_eraser", "orange"),
    PublicationStatus.CONTESTED: Look("forum", "orange"),
    PublicationStatus.CLEARED: Look("verified", "green"),
    PublicationStatus.DISPUTED: Look("gavel", "red"),
    PublicationStatus.PUBLISHED: Look("newspaper", "green"),
    PublicationStatus.WITHDRAWN: Look("undo", "gray"),
    RedactionStatus.ASKED: Look("ink_eraser", "orange"),
    RedactionStatus.ACCEPTED: Look("check", "green"),
    RedactionStatus.CONTESTED: Look("forum", "orange"),
    RedactionStatus.MAINTAINED: Look("gavel", "red"),
    RedactionStatus.LAPSED: Look("timer_off", "gray"),
    RedactionStatus.WITHDRAWN: Look("undo", "gray"),
    RequestStatus.AMENDED: Look("forum", "orange"),
    RequestStatus.APPROVED: Look("check_circle", "green"),
    RequestStatus.REFUSED: Look("block", "red"),
    Verdict.GO: Look("arrow_forward", "green"),
    Verdict.GO_WITH_CONDITIONS: Look("rule", "blue"),
    Verdict.HOLD: Look("pause_circle", "orange"),
}
"""Every status the portal shows; enumerations of other packages have no opinion about looks.

Members of two enumerations with one value are one key here, so that a word looks the same wherever it stands.
"""

_TLP_INK = {
    Tlp.RED: "#FF2B2B",
    Tlp.AMBER_STRICT: "#FFC000",
    Tlp.AMBER: "#FFC000",
    Tlp.GREEN: "#33FF00",
    Tlp.CLEAR: "#FFFFFF",
}
"""The inks of FIRST's TLP 2.0 standard, which prescribes black behind them."""

_CONFIRM = "parts.confirm"


def status(value: object, *, label: str = "") -> None:
    """A badge for a status."""
    look = LOOKS.get(value, _PLAIN)
    text = label or getattr(value, "label", "") or str(value).replace("_", " ")
    st.badge(literal(text), icon=f":material/{look.icon}:", color=look.colour)


def marking(label: Tlp) -> None:
    """A TLP 2.0 label in its prescribed colours."""
    st.html(
        '<span style="background:#000;border-radius:.2rem;padding:.16rem .5rem;font-size:.78rem;font-weight:600;'
        f'font-family:ui-monospace,monospace;white-space:nowrap;color:{_TLP_INK[label]}">{html.escape(label.value)}</span>',
        width="content",
    )


def row(key: str | None = None) -> "st.delta_generator.DeltaGenerator":
    """A line of small things that wraps on a narrow screen."""
    return st.container(horizontal=True, vertical_alignment="center", gap="small", key=key)


def heading(title: str, lead: str = "") -> None:
    """The screen's title and what one does here. Both are the portal's own words."""
    st.title(title, anchor=False)
    if lead:
        st.markdown(lead)


def empty(message: str, *, screen: str = "", label: str = "", icon: str = "inbox") -> None:
    """Nothing here yet, and what to do about it."""
    with st.container(border=True, horizontal_alignment="left"):
        st.markdown(f":material/{icon}: {message}")
        if screen:
            go(label, screen, icon="arrow_forward")


def go(label: str, screen: str, *, icon: str = "arrow_forward", **query: str) -> None:
    """A link to another screen, drawn only where the signed-in person has that screen. ``label`` is Markdown.

    Within one screen it is a button: a page link to the page it stands on leaves the address as it was, and the next
    click would lose the query.
    """
    if not may_open(screen):
        return
    if screen == current():
        st.button(
            label,
            key=f"go:{label}:{'&'.join(f'{name}={value}' for name, value in query.items())}",
            icon=f":material/{icon}:",
            type="tertiary",
            on_click=st.query_params.from_dict,
            args=(query,),
        )
    else:
        st.page_link(path_of(screen), label=label, icon=f":material/{icon}:", query_params=query or None)


def copyable(label: str, value: str) -> None:
    """An id, digest or link with a copy button."""
    st.caption(label)
    st.code(plain(value), language=None, wrap_lines=True)


def fields(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values as a two-column table. Values are Markdown of the portal's own making, without long words."""
    st.table(
        [{"name": f"**{name}**", "value": value} for name, value in pairs],
        border="horizontal",
        hide_index=True,
        hide_header=True,
    )


def untrusted(text: str, *, label: str = "") -> None:
    """Text that a model or an outsider wrote, exactly as it is."""
    if label:
        st.caption(label)
    st.code(plain(text) or " ", language=None, wrap_lines=True)


def budget(used: int, held: int, total: int, *, ended: bool = False) -> None:
    """How much of a token budget is gone; of an ended grant, what had been used of it."""
    share = min((used + held) / total, 1.0) if total else 1.0
    if ended:
        st.progress(share, text=f"**{used:,}** of {total:,} tokens were used")
        return
    left = max(total - used - held, 0)
    waiting = f", {held:,} held for runs under way" if held else ""
    st.progress(share, text=f"**{left:,}** of {total:,} tokens left{waiting}")


def act(
    label: str,
    form: str,
    call: Call[T],
    *,
    done: str | Callable[[T], str],
    then: Callable[[T], None] | None = None,
    icon: str | None = None,
    primary: bool = False,
) -> None:
    """A button that makes one service call, and below it why the call was refused."""
    st.button(
        label,
        key=f"{form}.act",
        icon=f":material/{icon}:" if icon else None,
        type="primary" if primary else "secondary",
        on_click=send,
        args=(form, instance(form), call),
        kwargs={"done": done, "then": then},
    )
    outcome(form)


def submit(
    label: str,
    form: str,
    call: Call[T],
    *,
    done: str | Callable[[T], str],
    then: Callable[[T], None] | None = None,
    icon: str | None = None,
) -> None:
    """The button that sends an ``st.form``, and below it why it was refused."""
    st.form_submit_button(
        label,
        key=f"{form}.submit",
        icon=f":material/{icon}:" if icon else None,
        type="primary",
        on_click=send,
        args=(form, instance(form), call),
        kwargs={"done": done, "then": then},
    )
    outcome(form)


@dataclass(frozen=True)
class Consequence:
    """What a confirmation says before something that cannot be undone."""

    title: str
    says: str | Callable[[], str]
    """Markdown of the portal's own making: the object by name, and what happens to whom. What takes time to find out
    is asked for once the dialog is open; where that is refused, nothing can be confirmed."""
    verb: str
    asks_reason: bool = True
    accepts: str = ""
    """A consequence to be accepted by a tick of its own, which ``accepted`` reads; empty where there is none."""


def confirmed(
    label: str,
    form: str,
    consequence: Consequence,
    call: Callable[[str], Call[T]],
    *,
    done: str | Callable[[T], str],
    icon: str | None = None,
    primary: bool = False,
) -> None:
    """A button that opens a dialog, which names object and consequence before anything is called.

    ``call`` is given the reason that was typed (empty where none is asked) and returns the service call.
    """
    st.button(
        label,
        key=f"{form}.open",
        icon=f":material/{icon}:" if icon else None,
        type="primary" if primary else "secondary",
        on_click=_open_dialog,
        args=(form,),
    )
    if st.session_state.get(_CONFIRM) == form:

        def confirm(key: str) -> None:
            reason = str(st.session_state.get(f"{form}.reason", ""))
            if perform(form, key, call(reason), done=done):
                _close_dialog()

        st.dialog(consequence.title, on_dismiss=_close_dialog)(_confirmation)(form, consequence, confirm)


def _confirmation(form: str, consequence: Consequence, confirm: Callable[[str], None]) -> None:
    if st.session_state.get(_CONFIRM) != form:
        # A click inside a dialog reruns the dialog alone; only a run of the whole script closes it.
        st.rerun()
    try:
        st.markdown(consequence.says if isinstance(consequence.says, str) else consequence.says())
    except ConcordatError as refusal:
        refused(refusal)
        st.button("Cancel", key=f"{form}.cancel", on_click=_close_dialog)
        return
    if consequence.asks_reason:
        st.text_area("Reason", key=f"{form}.reason", max_chars=500, help="Recorded in the log for good.")
    if consequence.accepts:
        st.checkbox(consequence.accepts, key=f"{form}.accepts")
    with row():
        st.button(consequence.verb, key=f"{form}.confirm", type="primary", on_click=confirm, args=(instance(form),))
        st.button("Cancel", key=f"{form}.cancel", on_click=_close_dialog)
    outcome(form)


def accepted(form: str) -> bool:
    """Whether the tick of the form's confirmation is set."""
    return bool(st.session_state.get(f"{form}.accepts"))


def _open_dialog(form: str) -> None:
    forget(form)
    st.session_state[_CONFIRM] = form


def _close_dialog() -> None:
    st.session_state.pop(_CONFIRM, None)
