"""Webhooks on the screen: where notices are sent, how that fares, and how the other side checks the signature."""

from collections.abc import Iterable
from datetime import datetime

import streamlit as st

from agreements.actors import LAB, Actor
from portal.notices.model import DeliveryStatus
from portal.pages.context import portal
from portal.pages.frame import institution_name
from portal.pages.parts import Consequence, act, confirmed, copyable, row, status, submit
from portal.pages.words import count, literal, plain, relative, sentence, when
from portal.pages.writing import field
from portal.services.webhooks import WebhookView
from portal.standing import represents
from portal.webhooks.decider import WebhookStatus

_FORM = "webhook.register"

KINDS = {
    "agreement": "agreements: offered, countered, in force, suspended, ended",
    "appeal": "appeals: filed, decided, lapsed",
    "duty": "duties: due soon, overdue, waived, sent back",
    "incident": "incidents",
    "passport": "vetting that lapses",
    "webhook": "webhooks that were paused or removed",
}

_DELIVERED = {
    DeliveryStatus.DELIVERED: "delivered",
    DeliveryStatus.WAITING: "failed, will be tried again",
    DeliveryStatus.GIVEN_UP: "given up",
}


def webhooks(actor: Actor, now: datetime) -> None:
    """Everything about webhooks, for whoever binds an institution."""
    own = [one for one in actor.institution_ids if represents(actor, one)]
    st.markdown(
        "The portal sends notices to your own software as they are raised, signed as the Standard Webhooks "
        "specification says (Ed25519, `v1a`). Nothing secret is shared: the public key below verifies every delivery."
    )
    registering(own)
    views = portal().webhooks.list(actor)
    kept = [view for view in views if view.webhook.status is not WebhookStatus.REMOVED]
    if not kept:
        st.markdown(":material/webhook: No webhook yet.")
    for view in kept:
        card(actor, view, now)
    removed = [view for view in views if view.webhook.status is WebhookStatus.REMOVED]
    if removed:
        with st.expander(f"Removed: {len(removed)}"):
            for view in removed:
                st.code(plain(view.webhook.url), language=None, wrap_lines=True)
                st.caption(f"{literal(institution_name(view.webhook.institution_id))} · {literal(view.webhook.reason)}")
    verifying([view.webhook.id for view in kept])


def registering(own: list[str]) -> None:
    """The form that names an address."""
    with st.expander("Add a webhook", icon=":material/add:"), st.form(_FORM):
        st.selectbox("For", own, format_func=institution_name, key=field(_FORM, "institution"))
        if LAB in own:
            st.caption("The lab's webhook hears of every institution.")
        st.text_input(
            "Address", key=field(_FORM, "url"), max_chars=500, placeholder="https://hooks.example.org/concordat"
        )
        st.multiselect(
            "What it is told of; everything if left empty",
            list(KINDS),
            format_func=lambda kind: sentence(KINDS.get(str(kind), str(kind))),
            accept_new_options=True,
            key=field(_FORM, "kinds"),
            help="A kind stands for what begins with it. A narrower one, such as duty.overdue, can be typed.",
        )
        submit(
            "Add it",
            _FORM,
            lambda who, key: portal().webhooks.register(
                who,
                institution_id=st.session_state[field(_FORM, "institution")],
                url=st.session_state[field(_FORM, "url")].strip(),
                kinds=st.session_state[field(_FORM, "kinds")],
                idempotency_key=key,
            ),
            done="It is added. Send a test to see whether it arrives.",
            icon="webhook",
        )


def card(actor: Actor, view: WebhookView, now: datetime) -> None:
    """One endpoint, how it fares, and what can be done with it."""
    webhook, service = view.webhook, portal().webhooks
    with st.container(border=True, key=f"webhook_{webhook.id}"):
        st.code(plain(webhook.url), language=None, wrap_lines=True)
        with row():
            status(webhook.status)
            st.badge(literal(institution_name(webhook.institution_id)), icon=":material/domain:", color="gray")
            for kind in sorted(webhook.kinds) or ["everything"]:
                st.badge(literal(kind), icon=":material/label:", color="gray")
        st.caption(
            f"`{webhook.id}` · {count(view.delivered, 'delivery', 'deliveries')} arrived, {view.waiting:,} waiting, "
            f"{view.given_up:,} given up"
        )
        if webhook.reason:
            st.warning(f"Paused: {literal(webhook.reason)}", icon=":material/pause_circle:")
        if view.last_problem:
            st.markdown(f":material/error: Last problem: {literal(view.last_problem)}")
        if webhook.tested is not None:
            _tested(webhook.tested.status_code, webhook.tested.reason, webhook.tested.at, now)
        act(
            "Send a test",
            f"webhook.test:{webhook.id}",
            lambda who, _key: service.test(who, webhook.id),
            done="The test was sent; what came of it stands beside the address.",
            icon="send",
        )
        with row():
            if webhook.status is WebhookStatus.ACTIVE:
                _pausing(view)
            _removing(view)
        if webhook.status is WebhookStatus.PAUSED:
            act(
                "Resume",
                f"webhook.resume:{webhook.id}",
                lambda who, _key: service.resume(who, webhook.id),
                done="It is resumed; what waited or was given up is sent first.",
                icon="play_circle",
            )
        _deliveries(actor, view, now)


def _tested(status_code: int | None, reason: str, at: datetime, now: datetime) -> None:
    answer = f"answered {status_code}" if status_code is not None else "no answer"
    if reason:
        st.markdown(f":material/error: Test {relative(at, now)}: {answer}. {literal(reason)}")
    else:
        st.markdown(f":material/check_circle: Test {relative(at, now)}: it arrived, {answer}.")


def _pausing(view: WebhookView) -> None:
    webhook = view.webhook
    confirmed(
        "Pause",
        f"webhook.pause:{webhook.id}",
        Consequence(
            "Pause this webhook?",
            f"Nothing is sent to the address of **{literal(institution_name(webhook.institution_id))}** until it is "
            "resumed. What is raised meanwhile waits.",
            "Pause it",
        ),
        lambda reason: lambda who, _key: portal().webhooks.pause(who, webhook.id, reason=reason),
        done="It is paused.",
        icon="pause_circle",
    )


def _removing(view: WebhookView) -> None:
    webhook = view.webhook
    confirmed(
        "Remove",
        f"webhook.remove:{webhook.id}",
        Consequence(
            "Remove this webhook?",
            f"Nothing is ever sent to the address of **{literal(institution_name(webhook.institution_id))}** again, "
            f"not even the {count(view.waiting, 'notice')} waiting. To use the address again, add it anew.",
            "Remove it",
        ),
        lambda reason: lambda who, _key: portal().webhooks.remove(who, webhook.id, reason=reason),
        done="It is removed.",
        icon="delete",
    )


def _deliveries(actor: Actor, view: WebhookView, now: datetime) -> None:
    found = portal().webhooks.deliveries(actor, view.webhook.id)
    if not found:
        return
    with st.expander("Last deliveries", icon=":material/list:"):
        rows = []
        for one in found:
            latest = one.delivery
            rows.append(
                {
                    "Notice": literal(one.subject),
                    "Kind": literal(one.kind),
                    "When": when(latest.at, now),
                    "Attempt": f"{latest.attempt}",
                    "What came of it": _DELIVERED[latest.status],
                    "Answer": f"{latest.status_code}" if latest.status_code is not None else "none",
                    "Why": literal(latest.reason),
                    "Next": when(latest.next_at, now) if latest.next_at else "",
                }
            )
        st.table(rows, border="horizontal", hide_index=True)


def verifying(webhook_ids: list[str]) -> None:
    """The public key, and how to check a delivery with it."""
    key = portal().webhooks.public_key
    with st.expander("Check a delivery", icon=":material/verified_user:"):
        copyable("Public key of this portal's webhooks; pin it", key)
        st.caption(
            "With the cryptography package for Python. One key signs for every address, so that a message also says "
            "which webhook it is meant for."
        )
        st.code(snippet(key, webhook_ids), language="python")


def snippet(key: str, webhook_ids: Iterable[str]) -> str:
    """Python that reads a delivery from its headers and its body as they came; it raises unless they hold."""
    return f"""import base64
import json
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PUBLIC_KEY = "{key}"
MINE = {sorted(webhook_ids)!r}


def read(headers, body):
    raw = base64.b64decode(PUBLIC_KEY.removeprefix("whpk_"))
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        raise ValueError("too old, or from the future")
    version, _, signature = headers["webhook-signature"].partition(",")
    if version != "v1a":
        raise ValueError("not signed with Ed25519")
    signed = f"{{headers['webhook-id']}}.{{headers['webhook-timestamp']}}.".encode() + body
    Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(signature), signed)
    message = json.loads(body)
    if message["data"]["webhook_id"] not in MINE:
        raise ValueError("meant for another endpoint")
    return message
"""
