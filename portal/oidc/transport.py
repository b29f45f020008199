"""HTTP to identity providers: to checked addresses, without redirects, within ten seconds, answers of bounded size."""

import asyncio
import queue
import ssl
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import httpx
from pydantic import Field

from agreements.canonical import parse_json
from agreements.deciders import Value
from agreements.errors import ConcordatError, Invalid, Unavailable
from portal.webhooks.addresses import AddressRefused, Policy, Resolve, Target, check_address, check_url, resolve

TIMEOUT_S = 10.0
"""For the whole exchange, however slowly the other side answers; and as much for its name."""
MAX_BYTES = 256 * 1024
_ADDRESSES = 4


class Answer(Value):
    """What a provider answered."""

    status_code: int
    body: bytes = Field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the provider did what it was asked."""
        return 200 <= self.status_code < 300

    def document(self) -> dict[str, Any]:
        """The body as a JSON object. Raises Unavailable ``provider_answer_unusable``."""
        try:
            found = parse_json(self.body, MAX_BYTES)
        except ConcordatError:
            found = None
        if not isinstance(found, dict):
            raise unusable("its answer is no JSON object")
        return found


class ProviderHttp:
    """Asks providers. Each call blocks for at most ``TIMEOUT_S``, twice that where its name is looked up as slowly."""

    def __init__(self, policy: Policy, *, resolver: Resolve = resolve, tls: ssl.SSLContext | None = None) -> None:
        """``tls`` verifies providers; by default against the authorities that httpx trusts."""
        self._policy = policy
        self._resolve = resolver
        self._given_tls = tls

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Read when somebody is first asked: it takes a while, and most portals and commands ask nobody.
        return self._given_tls or httpx.create_ssl_context()

    def check(self, url: str, *, param: str = "issuer") -> None:
        """Return if the portal would connect to the address, without asking anybody. Raises Invalid."""
        try:
            check_url(url, self._policy)
        except AddressRefused as refusal:
            raise _refused_address(refusal, param) from None

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """One GET. Raises Unavailable or Invalid with the reason."""
        return self._ask("GET", url, b"", headers or {})

    def post(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
        """One POST of a form. Raises Unavailable or Invalid with the reason."""
        return self._ask("POST", url, body.encode(), headers)

    def _ask(self, method: str, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            target = check_url(url, self._policy)
            addresses = self._addresses(target)
            for address in addresses:
                # One address that must not be reached spoils the name: it may be the one that comes up next time.
                check_address(address.partition("%")[0], self._policy, scheme=target.scheme)
        except AddressRefused as refusal:
            raise _refused_address(refusal, "issuer") from None
        except (OSError, UnicodeError):
            raise _unreachable("its name does not resolve") from None
        try:
            return asyncio.run(self._send(method, target, addresses[:_ADDRESSES], content, dict(headers)))
        except (TimeoutError, httpx.TimeoutException):
            raise _unreachable(f"it did not answer within {TIMEOUT_S:.0f} seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _unreachable(_why(error)) from None

    def _addresses(self, target: Target) -> tuple[str, ...]:
        """What the name leads to. In a thread of its own: a resolver that hangs cannot be told to stop."""
        found: queue.SimpleQueue[tuple[str, ...] | OSError | UnicodeError] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                found.put(self._resolve(target.host, target.port))
            except (OSError, UnicodeError) as error:
                found.put(error)

        threading.Thread(target=look_up, name="oidc-name", daemon=True).start()
        try:
            answer = found.get(timeout=TIMEOUT_S)
        except queue.Empty:
            raise _unreachable(f"its name was not found within {TIMEOUT_S:.0f} seconds") from None
        if isinstance(answer, tuple):
            return answer
        raise answer

    async def _send(
        self, method: str, target: Target, addresses: tuple[str, ...], content: bytes, headers: dict[str, str]
    ) -> Answer:
        # Without the environment: a proxy or a netrc file set for the operator's own use must not carry these.
        async with (
            asyncio.timeout(TIMEOUT_S),
            httpx.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False, timeout=TIMEOUT_S) as client,
        ):
            for place, address in enumerate(addresses, start=1):
                try:
                    async with client.stream(
                        method,
                        target.at(address),
                        content=content,
                        headers={
                            "accept": "application/json",
                            "accept-encoding": "identity",
                            "user-agent": "concordat",
                            **headers,
                            "host": target.authority,
                        },
                        extensions={"sni_hostname": target.host},
                    ) as response:
                        return Answer(status_code=response.status_code, body=await _bounded(response))
                except httpx.ConnectError:
                    if place == len(addresses):
                        raise
        raise _unreachable("its name does not resolve")


async def _bounded(response: httpx.Response) -> bytes:
    if response.is_redirect:
        raise unusable("it sends the portal elsewhere")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BYTES:
            raise unusable("its answer is too large")
    return bytes(body)


def _why(error: Exception) -> str:
    causes = [*_causes(error)]
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return "its certificate is not one that the portal trusts"
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "it does not speak TLS as the portal does"
    if isinstance(error, httpx.ConnectError):
        return "it takes no connection"
    if isinstance(error, httpx.ProtocolError):
        return "it does not answer as HTTP wants it"
    return "the connection broke"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def unusable(why: str) -> Unavailable:
    """The refusal of what a provider says that no provider should."""
    return Unavailable(
        "provider_answer_unusable",
        f"The identity provider cannot be used: {why}.",
        hint="Tell a coordinator; until it works, sign in with a link from one.",
    )


def _unreachable(why: str) -> Unavailable:
    return Unavailable(
        "provider_unreachable",
        f"The identity provider cannot be reached ({why}).",
        hint="Try again in a while, or ask a coordinator for a sign-in link.",
    )


def _refused_address(refusal: AddressRefused, param: str) -> Invalid:
    return Invalid(
        "provider_address_refused",
        f"The address of the identity provider cannot be used: {refusal.why}.",
        hint="Give a public https address.",
        param=param,
    )
