"""Sign-in methods: one-time links, and the identity providers of institutions."""

import streamlit as st

from agreements.errors import ConcordatError
from agreements.identity_providers import ProviderStatus
from portal.pages.context import current_actor, portal
from portal.pages.filters import pick
from portal.pages.frame import institution_name
from portal.pages.parts import empty, go, heading
from portal.pages.provider_forms import registering, setting_up
from portal.pages.provider_view import detail, summary
from portal.pages.words import literal, plain
from portal.pages.writing import refused

actor, here = current_actor(), portal()


def overview() -> None:
    """Every method, and the way to add one."""
    with st.container(border=True, key="method_links"):
        st.markdown(":material/link: **One-time links**")
        st.caption(
            "They need nobody else and always work. A coordinator makes one for a person on the People screen; it "
            f"opens one session, within {here.settings.sign_in_link_hours} hours. An invitation is such a link for "
            "somebody who is not registered yet."
        )
        go("People", "people", icon="group")
    st.header("Identity providers", anchor=False)
    st.markdown(
        "An institution's people sign in with the account they have there (OpenID Connect); who loses that account "
        "gets in by it no more. A provider speaks for its own institution's people and for nobody else."
    )
    if actor.is_coordinator:
        with st.expander("Add an identity provider", icon=":material/add:"):
            registering(actor)
    with st.expander("What to enter at the provider", icon=":material/integration_instructions:"):
        setting_up()
    providers()


def providers() -> None:
    """The providers that the reader may see, removed ones apart."""
    found = here.identity_providers.list(actor)
    if not found:
        then = "Add one above." if actor.is_coordinator else "Ask a coordinator to add yours, with the values above."
        empty(f"No identity provider yet: everybody signs in by one-time links. {then}", icon="login")
        return
    places = {one.institution_id: plain(institution_name(one.institution_id)) for one in found}
    if len(places) > 1:
        place = pick("Institution", "institution", places, screen="sign_in_methods", any_label="Every institution")
        found = tuple(one for one in found if not place or one.institution_id == place)
    for provider in found:
        if provider.status is not ProviderStatus.REMOVED:
            with st.container(border=True, key=f"provider_{provider.id}"):
                summary(provider)
    removed = [one for one in found if one.status is ProviderStatus.REMOVED]
    if removed:
        with st.expander(f"Removed: {len(removed)}", icon=":material/delete:"):
            for provider in removed:
                go(literal(provider.label), "sign_in_methods", provider=provider.id, icon="login")
                st.caption(literal(provider.reason))


selected = st.query_params.get("provider")
if selected:
    go("All sign-in methods", "sign_in_methods", icon="arrow_back")
    try:
        chosen = here.identity_providers.visible(actor, selected)
        heading(literal(chosen.label))
        detail(actor, selected)
    except ConcordatError as refusal:
        heading("Identity provider")
        refused(refusal)
else:
    heading("Sign-in methods", "How people get in. Nobody has a password at this portal.")
    overview()
