"""One HTTP request to an endpoint: to a checked address, without redirects, within ten seconds, the answer unread."""

import asyncio
import ssl
from datetime import timedelta
from functools import cached_property

import httpx

from agreements.deciders import Value
from agreements.errors import Invalid
from portal.webhooks.addresses import Policy, Resolve, Target, check_address, check_url, resolve

TIMEOUT_S = 10.0
"""For the whole request, however slowly the other side answers."""

GONE = 410
_ADDRESSES = 4
"""How many addresses of one name are tried."""


class Outcome(Value):
    """What came of one attempt."""

    status_code: int | None = None
    reason: str = ""
    """Why it failed; empty when it did not."""
    retry_after: timedelta = timedelta(0)
    """The pause that the endpoint asked for."""

    @property
    def delivered(self) -> bool:
        """Whether the endpoint took it."""
        return not self.reason


class Poster:
    """Posts to endpoints."""

    def __init__(self, policy: Policy, *, resolver: Resolve = resolve, tls: ssl.SSLContext | None = None) -> None:
        """``tls`` verifies endpoints; by default against the authorities that httpx trusts."""
        self._policy = policy
        self._resolve = resolver
        self._given_tls = tls

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # Read when somebody is first asked: it takes a while, and most portals and commands ask nobody.
        return self._given_tls or httpx.create_ssl_context()

    def post(self, url: str, payload: bytes, headers: dict[str, str]) -> Outcome:
        """Send once and say what came of it; never raises for what the other side does."""
        try:
            target = check_url(url, self._policy)
            addresses = self._resolve(target.host, target.port)
            for address in addresses:
                # One address that must not be reached spoils the name: it may be the one that comes up next time.
                check_address(address.partition("%")[0], self._policy, scheme=target.scheme)
        except Invalid as refusal:
            return Outcome(reason=refusal.message)
        except (OSError, UnicodeError):
            return Outcome(reason="The name of the host does not resolve.")
        try:
            return asyncio.run(self._send(target, addresses[:_ADDRESSES], payload, headers))
        except TimeoutError:
            return Outcome(reason=f"The endpoint did not answer within {TIMEOUT_S:.0f} seconds.")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Outcome(reason=f"The request did not get through ({type(error).__name__}).")

    async def _send(
        self, target: Target, addresses: tuple[str, ...], payload: bytes, headers: dict[str, str]
    ) -> Outcome:
        # Without the environment: a proxy or a netrc file set for the operator's own use must not carry these.
        async with (
            asyncio.timeout(TIMEOUT_S),
            httpx.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False, timeout=TIMEOUT_S) as client,
        ):
            for place, address in enumerate(addresses, start=1):
                try:
                    async with client.stream(
                        "POST",
                        target.at(address),
                        content=payload,
                        headers={"user-agent": "concordat", **headers, "host": target.authority},
                        extensions={"sni_hostname": target.host},
                    ) as response:
                        return _outcome(response)
                except httpx.ConnectError:
                    if place == len(addresses):
                        raise
        return Outcome(reason="The name of the host does not resolve.")


def _outcome(response: httpx.Response) -> Outcome:
    if response.is_success:
        return Outcome(status_code=response.status_code)
    asked = response.headers.get("retry-after", "")
    pause = timedelta(seconds=int(asked)) if asked.isascii() and asked.isdigit() and len(asked) <= 6 else timedelta(0)
    return Outcome(
        status_code=response.status_code,
        reason=f"The endpoint answered with status {response.status_code}.",
        retry_after=pause,
    )
