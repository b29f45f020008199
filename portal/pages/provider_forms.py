"""The forms of identity providers: one registered, one changed, and what the provider has to be told."""

from typing import Any

import streamlit as st

from agreements.actors import Actor
from agreements.identity_providers import ClientAuthentication, IdentityProvider
from portal.oidc.client import SCOPE
from portal.pages.context import portal
from portal.pages.frame import institution_name
from portal.pages.parts import copyable, submit
from portal.pages.words import literal
from portal.pages.writing import field

_REGISTER = "provider.register"

_AUTHENTICATION = {
    ClientAuthentication.PRIVATE_KEY: "The portal's key (private_key_jwt): nothing secret is shared",
    ClientAuthentication.SECRET: "A client secret (client_secret_basic)",
    ClientAuthentication.NONE: "None: a public client, by PKCE alone",
}
"""How the portal authenticates at a provider, the best first."""


def setting_up(provider: IdentityProvider | None = None) -> None:
    """What the provider's administrator enters for this portal; the redirect URI is there once it was added."""
    oidc = portal().oidc
    st.markdown(
        "At the provider, register this portal as a web application that uses the **authorization code flow with "
        f"PKCE**, with the scopes `{SCOPE}`. It has to say `email`, `email_verified` and `name`, in the ID token or at "
        "its userinfo endpoint."
    )
    if provider is None:
        st.caption(
            "Each provider has a redirect URI (callback) of its own. It is shown here once the provider is added."
        )
    else:
        copyable("Redirect URI (callback), this provider's alone", oidc.redirect_uri(provider.id))
    copyable("Where people go after they sign out there (post-logout redirect URI)", oidc.signed_out_uri)
    copyable("The portal's public key, for private_key_jwt (JWKS URI)", f"{portal().settings.url}/session/oidc/keys")


def registering(actor: Actor) -> None:
    """The form that names a provider for an institution."""
    places = [institution.id for institution in portal().institutions.list(actor)]
    with st.form(_REGISTER):
        st.selectbox(
            "Institution",
            places,
            format_func=institution_name,
            key=field(_REGISTER, "institution"),
            help="For whose people it speaks. A partner's provider never opens what another institution entrusted.",
        )
        st.text_input(
            "Issuer",
            key=field(_REGISTER, "issuer"),
            max_chars=300,
            placeholder="https://login.example.org",
            help="Exactly as its discovery document names it, to the last slash. It never changes afterwards.",
        )
        _details(_REGISTER, IdentityProvider())
        submit(
            "Add the provider",
            _REGISTER,
            lambda who, key: portal().identity_providers.register(
                who,
                institution_id=st.session_state[field(_REGISTER, "institution")],
                issuer=st.session_state[field(_REGISTER, "issuer")].strip(),
                idempotency_key=key,
                **_typed(_REGISTER),
            ),
            done=lambda made: f"{literal(made.label)} is added, and offered on the sign-in page. Test it next.",
            then=lambda made: st.query_params.from_dict({"provider": made.id}),
            icon="add",
        )


def changing(provider: IdentityProvider) -> None:
    """The form that changes what may change."""
    form = f"provider.change:{provider.id}"
    with st.form(form):
        st.caption(
            "Issuer and institution stay: who people are hangs on them. Another issuer is another provider. "
            "People who signed in before stay linked, whatever becomes of the domains."
        )
        _details(form, provider)
        submit(
            "Save the changes",
            form,
            lambda who, _key: portal().identity_providers.change(who, provider.id, **_typed(form)),
            done="The changes count from the next sign-in on. Test it again.",
            icon="save",
        )


def _details(form: str, before: IdentityProvider) -> None:
    st.text_input(
        "Label",
        before.label,
        key=field(form, "label"),
        max_chars=80,
        placeholder="North University account",
        help="What its button on the sign-in page says.",
    )
    st.text_area(
        "Domains of e-mail addresses",
        "\n".join(before.domains),
        key=field(form, "domains"),
        max_chars=4000,
        height=100,
        placeholder="example.org",
        help="One a line. Of these addresses the provider may say whose they are. You vouch that they are the "
        "institution's: the portal has no way to ask.",
    )
    st.text_input(
        "Client id",
        before.client_id,
        key=field(form, "client_id"),
        max_chars=200,
        help="What the provider calls this portal.",
    )
    methods = list(_AUTHENTICATION)
    st.selectbox(
        "How the portal shows that it is itself",
        methods,
        index=methods.index(before.client_authentication) if before.id else 0,
        format_func=_AUTHENTICATION.__getitem__,
        key=field(form, "authentication"),
    )
    kept = before.client_authentication is ClientAuthentication.SECRET
    st.text_input(
        "Client secret",
        type="password",
        autocomplete="off",
        key=field(form, "secret"),
        max_chars=500,
        placeholder="Leave it empty to keep the one there is" if kept else "Only for a client secret",
        help="Kept in a file that only the operator's account reads; shown to nobody, in no log and no backup of the "
        "database. To rotate it, enter the new one here.",
    )


def _typed(form: str) -> dict[str, Any]:
    state = st.session_state
    return {
        "label": state[field(form, "label")].strip(),
        "client_id": state[field(form, "client_id")].strip(),
        "domains": state[field(form, "domains")].replace(",", " ").split(),
        "client_authentication": state[field(form, "authentication")],
        "client_secret": state[field(form, "secret")],
    }
