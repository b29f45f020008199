"""The two calls of the authorization code flow (RFC 6749, section 4.1; PKCE, RFC 7636), made with Authlib."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

from agreements.errors import Unauthenticated
from agreements.identity_providers import ClientAuthentication, IdentityProvider
from portal.oidc.attempt import Attempt
from portal.oidc.metadata import ProviderMetadata
from portal.oidc.transport import Answer, ProviderHttp, unusable

SCOPE = "openid email profile"


class _Client(OAuth2Client):  # type: ignore[misc]  # Authlib has no types
    """Authlib's client over the portal's own HTTP, which is bounded and goes to checked addresses only."""

    def _fetch_token(
        self, url: str, body: str, headers: Mapping[str, str], auth: ClientAuth, method: str, **_: Any
    ) -> dict[str, Any]:
        url, headers, body = auth.prepare(method, url, dict(headers), body)
        answer: Answer = self.session.post(url, body, headers)
        token = answer.document()
        if token.get("error") in ("invalid_client", "unauthorized_client"):
            raise unusable("it does not take the portal's own client id and secret or key")
        if "error" in token:
            raise Unauthenticated(
                "code_refused",
                "The identity provider does not take the sign-in any more.",
                hint="Begin again at the sign-in page; if it happens again, tell a coordinator.",
            )
        if not answer.is_success:
            raise unusable(f"its token endpoint answers with status {answer.status_code}")
        return token


def authorization_url(
    provider: IdentityProvider, metadata: ProviderMetadata, attempt: Attempt, redirect_uri: str
) -> str:
    """Where the browser goes to sign in."""
    client = _Client(None, provider.client_id, scope=SCOPE, redirect_uri=redirect_uri, code_challenge_method="S256")
    url, _ = client.create_authorization_url(
        metadata.authorization_endpoint, state=attempt.state, nonce=attempt.nonce, code_verifier=attempt.verifier
    )
    return str(url)


def redeem(
    http: ProviderHttp,
    provider: IdentityProvider,
    metadata: ProviderMetadata,
    attempt: Attempt,
    code: str,
    redirect_uri: str,
    secret: str | ECKey | None,
) -> dict[str, Any]:
    """What the token endpoint answers for a code. ``secret``: the client's secret or key, by how it authenticates.

    Raises Unauthenticated ``code_refused``, Unavailable or Invalid.
    """
    client = _Client(
        http,
        provider.client_id,
        client_secret=secret,
        token_endpoint_auth_method=provider.client_authentication.value,
        redirect_uri=redirect_uri,
    )
    if provider.client_authentication is ClientAuthentication.PRIVATE_KEY and isinstance(secret, ECKey):
        # RFC 7523bis and OpenID Connect: the token endpoint is what the assertion is for.
        header = {"kid": secret.thumbprint()}
        client.register_client_auth_method(PrivateKeyJWT(metadata.token_endpoint, headers=header, alg="ES256"))
    try:
        answer: dict[str, Any] = client.fetch_token(
            metadata.token_endpoint, grant_type="authorization_code", code=code, code_verifier=attempt.verifier
        )
    except (OAuth2Error, ValueError):
        raise unusable("its token endpoint answers what cannot be read") from None
    return answer


def end_session_url(endpoint: str, *, client_id: str, back_to: str, id_token: str | None) -> str:
    """Where the browser goes to sign out there too (OpenID Connect RP-Initiated Logout 1.0)."""
    query = {"client_id": client_id, "post_logout_redirect_uri": back_to}
    if id_token:
        query["id_token_hint"] = id_token
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"
