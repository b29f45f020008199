"""The DPoP header of a request (RFC 9449)."""

from datetime import datetime

from fastapi import Request

from agreements.errors import Unauthenticated
from agreements.proofs import Proven, verify_proof


def proof_of(request: Request, url: str, now: datetime, *, token: str | None = None) -> Proven | None:
    """The proof that came with a request, well made and not yet remembered; None where none came.

    ``url`` is the portal's own address. A client that reached the portal by another name of it (``localhost``, say)
    proves for that one: which names are the portal's was settled before any route was looked up. Raises
    Unauthenticated ``invalid_proof``.
    """
    headers = request.headers.getlist("dpop")
    if not headers:
        return None
    if len(headers) > 1:
        raise Unauthenticated("invalid_proof", "The request has two DPoP headers.", hint="Send one proof.")
    path = request.url.path
    reached = {f"{scheme}://{request.headers.get('host', '')}{path}" for scheme in (request.url.scheme, _scheme(url))}
    return verify_proof(headers[0], method=request.method, urls=frozenset({url + path, *reached}), now=now, token=token)


def _scheme(url: str) -> str:
    return url.partition(":")[0]
