"""An OpenID provider of somebody else's making (idpyoidc) behind a small HTTP server, as a program of its own.

``python -m tests.portal.oidc.provider CONFIG.json`` prints its port when it serves. ``/control/…`` stands for what
happens at a real one out of sight: who sits at the browser, and keys that rotate.
"""

import json
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptojwt.jwk.hmac import SYMKey
from cryptojwt.key_jar import build_keyjar
from idpyoidc.server import Server
from idpyoidc.server.configure import OPConfiguration

KEYS = [{"type": "RSA", "use": ["sig"]}, {"type": "EC", "crv": "P-256", "use": ["sig"]}]
METHODS = ["client_secret_basic", "private_key_jwt", "none"]


def configuration(issuer: str, given: dict[str, Any]) -> dict[str, Any]:
    """Everything idpyoidc wants to know."""
    oidc, user = "idpyoidc.server.oidc", "idpyoidc.server.user_authn"
    return {
        "issuer": issuer,
        "httpc_params": {"verify": False, "timeout": 2},
        "preference": {"subject_types_supported": ["public"]},
        "key_conf": {"key_defs": KEYS, "uri_path": "static/jwks.json"},
        "token_handler_args": {
            "key_conf": {"key_defs": [{"type": "oct", "bytes": 24, "use": ["enc"], "kid": "code"}]},
            "code": {"lifetime": 600, "kwargs": {"crypt_conf": {"kwargs": {"password": "pw", "salt": "salt"}}}},
            "token": {"class": "idpyoidc.server.token.jwt_token.JWTToken", "kwargs": {"lifetime": 3600}},
            "id_token": {
                "class": "idpyoidc.server.token.id_token.IDToken",
                "kwargs": {"add_claims_by_scope": given["claims_in_id_token"]},
            },
        },
        "endpoint": {
            "provider_config": {
                "path": ".well-known/openid-configuration",
                "class": f"{oidc}.provider_config.ProviderConfiguration",
                "kwargs": {},
            },
            "authorization": {
                "path": "authorization",
                "class": f"{oidc}.authorization.Authorization",
                "kwargs": {"response_types_supported": ["code"], "response_modes_supported": ["query"]},
            },
            "token": {
                "path": "token",
                "class": f"{oidc}.token.Token",
                "kwargs": {"client_authn_method": METHODS},
            },
            "userinfo": {"path": "userinfo", "class": f"{oidc}.userinfo.UserInfo", "kwargs": {}},
            "session": {
                "path": "session",
                "class": f"{oidc}.session.Session",
                "kwargs": {
                    "post_logout_uri_path": "post_logout",
                    "signing_alg": "ES256",
                    "logout_verify_url": f"{issuer}/verify_logout",
                },
            },
        },
        "add_on": {
            "pkce": {
                "function": "idpyoidc.server.oauth2.add_on.pkce.add_support",
                "kwargs": {"essential": True, "code_challenge_method": "S256"},
            }
        },
        "cookie_handler": {
            "class": "idpyoidc.server.cookie_handler.CookieHandler",
            "kwargs": {
                "sign_key": SYMKey(key="of the provider alone, and long enough"),
                "name": {"session": "op", "register": "op_register", "session_management": "op_state"},
            },
        },
        "userinfo": {"class": "idpyoidc.server.user_info.UserInfo", "kwargs": {"db": given["users"]}},
        "authentication": {
            "anyone": {
                "acr": "idpyoidc.constants.anyone",
                "class": f"{user}.user.NoAuthn",
                "kwargs": {"user": next(iter(given["users"]))},
            }
        },
    }


class Provider:
    """The provider, and who sits at the browser."""

    def __init__(self, issuer: str, given: dict[str, Any]) -> None:
        conf = configuration(issuer, given)
        self.issuer = issuer
        self.keys = build_keyjar(KEYS)
        # Under its name too, by which it reads the tokens that it made.
        self.keys.import_jwks(self.keys.export_jwks(private=True, issuer_id=""), issuer)
        self.server = Server(OPConfiguration(conf, base_path="."), keyjar=self.keys)
        self.context = self.server.get_context()
        self.context.cdb.update(given["clients"])
        for client_id, client in given["clients"].items():
            if "client_secret" in client:
                self.keys.add_symmetric(client_id, client["client_secret"])

    def control(self, what: str, value: str) -> None:
        """What happens out of sight."""
        if what == "user":
            self.context.authn_broker["anyone"]["method"].user = value
        elif what == "redirect":
            for client in self.context.cdb.values():
                client["redirect_uris"] = [*client["redirect_uris"], [value, {}]]
        elif what == "client_keys":
            self.keys.import_jwks(json.loads(value), "signing")
        elif what == "rotate":
            fresh = build_keyjar(KEYS)._get_issuer("")._bundles
            for name in ("", self.issuer):
                self.keys._get_issuer(name)._bundles = fresh

    def jwks(self) -> dict[str, Any]:
        """Its public keys."""
        exported: dict[str, Any] = self.keys.export_jwks("")
        return exported

    def verify_logout(self, sjwt: str) -> dict[str, Any]:
        """Somebody confirms that they sign out."""
        endpoint = self.server.get_endpoint("session")
        said = endpoint.unpack_signed_jwt(sjwt)
        endpoint.do_verified_logout(said["sid"], alla=True)
        return {"status": 303, "location": said["redirect_uri"]}

    def answer(self, name: str, request: Any, headers: dict[str, str], method: str, url: str) -> dict[str, Any]:
        """What one of its endpoints says."""
        endpoint = self.server.get_endpoint(name)
        kept = SimpleCookie(headers.get("cookie"))
        cookies = [{"name": name, "value": urlsafe_b64decode(one.value).decode()} for name, one in kept.items()]
        http_info = {"headers": headers, "method": method, "url": url, "cookie": cookies}
        parsed = endpoint.parse_request(request, http_info=http_info)
        if "error" in parsed:
            return {"status": 400, "json": parsed.to_dict()}
        args = endpoint.process_request(parsed, http_info=http_info)
        if "redirect_location" in args:
            return {"status": 303, "location": args["redirect_location"]}
        if "error" in args and name != "authorization":
            return {"status": 400, "json": args if isinstance(args, dict) else args.to_dict()}
        info = endpoint.do_response(request=parsed, **args)
        body = info.get("response", "")
        if name == "authorization":
            return {"status": 303, "location": body, "cookies": args.get("cookie", [])}
        return {"status": 200, "body": body}


class Handler(BaseHTTPRequestHandler):
    """Addresses of the provider."""

    provider: Provider

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Discovery, keys, authorization, userinfo, logout and control."""
        self._serve("GET", urlsplit(self.path).query)

    def do_POST(self) -> None:
        """The token endpoint."""
        self._serve("POST", self.rfile.read(int(self.headers.get("content-length", 0))).decode())

    def _serve(self, method: str, form: str) -> None:
        path = urlsplit(self.path).path
        fields = {name: values[0] for name, values in parse_qs(form).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        names = {
            "/.well-known/openid-configuration": "provider_config",
            "/authorization": "authorization",
            "/token": "token",
            "/userinfo": "userinfo",
            "/session": "session",
        }
        if path.startswith("/control/"):
            self.provider.control(path.removeprefix("/control/"), fields.get("value", ""))
            said: dict[str, Any] = {"status": 200, "json": {}}
        elif path == "/verify_logout":
            said = self.provider.verify_logout(fields["sjwt"])
        elif path == "/static/jwks.json":
            said = {"status": 200, "json": self.provider.jwks()}
        else:
            said = self.provider.answer(names[path], fields, headers, method, self.path)
        body = json.dumps(said["json"]) if "json" in said else said.get("body", "")
        self.send_response(said["status"])
        if "location" in said:
            self.send_header("location", said["location"])
        for cookie in said.get("cookies", []):
            # Its values have characters that no cookie may have.
            value = urlsafe_b64encode(cookie["value"].encode()).decode()
            self.send_header("set-cookie", f"{cookie['name']}={value}; Path=/; HttpOnly")
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write((body if isinstance(body, str) else json.dumps(body)).encode())


def main(config: str) -> None:
    """Serve until the parent goes."""
    with open(config, encoding="utf-8") as file:  # noqa: PTH123 - a program for tests
        given = json.load(file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.provider = Provider(f"http://127.0.0.1:{server.server_port}", given)
    print(server.server_port, flush=True)  # noqa: T201 - how the parent learns it
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
