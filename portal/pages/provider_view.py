"""One identity provider on the screen: what it is, whether it answers, who signs in by it, and how it ends."""

from typing import Final

import streamlit as st

from agreements.actors import LAB, Actor, Role
from agreements.errors import ConcordatError
from agreements.identity_providers import IdentityProvider, ProviderStatus
from portal.pages.context import now, portal, session_id
from portal.pages.frame import institution_name
from portal.pages.parts import Consequence, act, confirmed, copyable, go, row, status
from portal.pages.provider_forms import changing, setting_up
from portal.pages.words import count, literal, relative, when
from portal.services.ways_in import ProviderUse

_REMEDIES: Final = {
    "provider_unreachable": "Look whether the issuer is written as it should be, and whether this machine may reach "
    "it. The operator can look from here with `concordat identity-provider check`.",
    "provider_busy": "It answers slowly, and others wait for it. Test it again in a moment.",
    "provider_address_refused": "The portal connects to public addresses by https only. For a provider in a private "
    "network the operator sets `oidc_allow_private`.",
    "provider_answer_unusable": "Its administrator can say whether it speaks OpenID Connect Discovery 1.0, with PKCE.",
    "wrong_issuer": "The issuer never changes: remove this one, and add it anew under exactly the issuer it names.",
}
"""What to do about what a test found, by its code."""


def summary(provider: IdentityProvider) -> None:
    """What a list says of a provider."""
    with row():
        go(literal(provider.label), "sign_in_methods", provider=provider.id, icon="login")
        status(provider.status)
        st.badge(literal(institution_name(provider.institution_id)), icon=":material/domain:", color="gray")
    st.caption(f"{literal(', '.join(provider.domains))} · added {when(provider.registered_at, now())}")
    _trial(provider, brief=True)


def detail(actor: Actor, provider_id: str) -> None:
    """Everything about one provider. Raises NotFound."""
    provider = portal().identity_providers.visible(actor, provider_id)
    leads = actor.has(Role.PARTNER_LEAD, provider.institution_id)
    with row():
        status(provider.status)
        st.badge(literal(institution_name(provider.institution_id)), icon=":material/domain:", color="gray")
    if provider.reason:
        st.warning(f"{provider.status.value.capitalize()}: {literal(provider.reason)}", icon=":material/pause_circle:")
    _testing(actor, provider)
    copyable("Issuer", provider.issuer)
    copyable("Client id", provider.client_id)
    by = literal(portal().people.name(provider.registered_by))
    st.caption(
        f"The portal authenticates by {provider.client_authentication.label} · "
        f"added {when(provider.registered_at, now())} by {by}"
    )
    _domains(provider)
    if actor.is_coordinator or leads:
        use = portal().ways_in.of_provider(actor, provider.id, current=session_id())
        _people(provider, use)
        if actor.is_coordinator and provider.status is not ProviderStatus.REMOVED:
            _moves(provider, use)
    with st.expander("What to enter at the provider", icon=":material/integration_instructions:"):
        setting_up(provider)
    if not actor.is_coordinator:
        st.info(
            "A coordinator registers, changes, tests, pauses and removes providers. As its partner lead you answer who "
            "comes by it for the first time, and deactivate who left: no provider tells the portal of that.",
            icon=":material/info:",
        )


def _trial(provider: IdentityProvider, *, brief: bool = False) -> None:
    tried, at = provider.tried, now()
    if tried is None:
        st.markdown(":material/help: Not tested since it was added or changed.")
        return
    if tried.code:
        st.markdown(f":material/error: Test {relative(tried.at, at)}: {literal(tried.problem)}")
        if not brief:
            remedy = _REMEDIES.get(tried.code, "")
            st.caption(f"{remedy} Until it works, people sign in with a link from a coordinator.".strip())
        return
    signs_out = "people can sign out there too" if tried.ends_sessions else "it has no sign-out that others can use"
    st.markdown(
        f":material/check_circle: Test {relative(tried.at, at)}: it answers, its keys can be read; {signs_out}."
    )
    for remark in tried.remarks:
        st.markdown(f":material/warning: {literal(remark)}")


def _testing(actor: Actor, provider: IdentityProvider) -> None:
    with st.container(border=True, key=f"provider_test_{provider.id}"):
        _trial(provider)
        st.caption(
            "A test asks for its discovery document and its keys. Whether redirect URI, client id and secret are right "
            "shows when the first person signs in."
        )
        if actor.is_coordinator and provider.status is not ProviderStatus.REMOVED:
            act(
                "Test it now",
                f"provider.test:{provider.id}",
                lambda who, _key: _answers(who, provider.id),
                done=lambda answers: "It answers as it should." if answers else "",
                icon="network_check",
            )


def _answers(actor: Actor, provider_id: str) -> bool:
    """Whether the provider answered as it should; what it did instead is kept with it. Raises any other refusal."""
    try:
        portal().identity_providers.check(actor, provider_id)
    except ConcordatError as refusal:
        if refusal.code not in _REMEDIES:
            raise
        return False
    return True


def _domains(provider: IdentityProvider) -> None:
    st.header("Domains", anchor=False)
    with row():
        for domain in provider.domains:
            st.badge(literal(f"@{domain}"), icon=":material/alternate_email:", color="gray")
    st.caption(
        "For a first sign-in the provider must say that it verified the address (`email_verified`), and the address "
        "must be in one of these domains. That a domain is the institution's, the coordinator who entered it vouches "
        "for; each belongs to one provider. From then on people are known by their subject there, not by their address."
    )


def _people(provider: IdentityProvider, use: ProviderUse) -> None:
    st.header("Who signs in by it", anchor=False)
    if not use.people:
        st.markdown(
            ":material/group_off: Nobody yet. Who comes for the first time is linked by their address, or waits."
        )
        return
    st.caption(
        f"{count(len(use.people), 'person', 'people')}, {count(use.sessions, 'session')} open now, "
        f"{len(use.stranded):,} without another provider"
    )
    for user in use.people:
        with row():
            go(literal(user.name), "people", person=user.person_id, icon="person")
            if user.waits:
                st.badge("waits", icon=":material/hourglass_top:", color="orange")
            told = [literal(user.email), count(user.sessions, "session")]
            told.append(f"also by {literal(user.other)}" if user.other else "by no other provider")
            st.caption(" · ".join(told))


def _moves(provider: IdentityProvider, use: ProviderUse) -> None:
    with st.expander("Change it", icon=":material/edit:"):
        changing(provider)
    label, lost = literal(provider.label), _lost(provider, use)
    with row():
        if provider.status is ProviderStatus.ACTIVE:
            confirmed(
                "Pause",
                f"provider.pause:{provider.id}",
                Consequence(
                    "Pause this provider?",
                    f"Nobody signs in by **{label}** until it is resumed; it is taken off the sign-in page.{lost}",
                    "Pause it",
                ),
                lambda reason: lambda who, _key: portal().identity_providers.pause(who, provider.id, reason=reason),
                done=f"{label} is paused; the sessions opened by it are over.",
                icon="pause_circle",
            )
        else:
            act(
                "Resume",
                f"provider.resume:{provider.id}",
                lambda who, _key: portal().identity_providers.resume(who, provider.id),
                done=f"People sign in by {label} again.",
                icon="play_circle",
            )
        confirmed(
            "Remove",
            f"provider.remove:{provider.id}",
            Consequence(
                "Remove this provider?",
                f"Nobody signs in by **{label}** ever again, its client secret is forgotten and its domains are free "
                f"for another.{lost} Added anew under the same issuer, it knows its people again.",
                "Remove it",
            ),
            lambda reason: lambda who, _key: portal().identity_providers.remove(who, provider.id, reason=reason),
            done=f"{label} is removed.",
            icon="delete",
        )


def _lost(provider: IdentityProvider, use: ProviderUse) -> str:
    """What ends with it, in words that follow a sentence."""
    if not use.people:
        return " Nobody signed in by it so far."
    stranded = [literal(user.name) for user in use.stranded]
    parts = ["\n"]
    if use.sessions:
        parts.append(f"\n- {count(use.sessions, 'session')} opened by it end{'s' if use.sessions == 1 else ''} now.")
    if stranded:
        shown = ", ".join(stranded[:10]) + (f" and {len(stranded) - 10} more" if len(stranded) > 10 else "")
        parts.append(f"\n- Left without a way in until a coordinator makes them a one-time link: {shown}.")
    if use.own_session:
        parts.append("\n- **Yours is among these sessions**: you are signed out at once.")
    if provider.institution_id == LAB and use.every_coordinator:
        parts.append(
            "\n- **Every coordinator signs in by it.** Then only the operator makes links, by `concordat person link`."
        )
    return "".join(parts) + "\n\n" if len(parts) > 1 else " Nobody loses a way in."
