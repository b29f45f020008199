"""Whether somebody is still who they were when something of theirs began, looked up anew."""

from agreements.actors import Actor
from agreements.errors import NotFound, Unauthenticated
from portal.services.aggregates import PEOPLE
from portal.services.kernel import Kernel
from portal.services.sessions import SessionService, check_active
from portal.services.token_keys import TokenKeyService
from portal.services.token_records import TokenRecords


class Presence:
    """Reads an actor again from what they came with: a token, a browser's session, or their name alone."""

    def __init__(self, kernel: Kernel, sessions: SessionService, token_keys: TokenKeyService) -> None:
        self._kernel = kernel
        self._sessions = sessions
        self._token_keys = token_keys
        self._records = TokenRecords(kernel)

    def again(self, actor: Actor) -> Actor:
        """The actor as of now, held to the same token or session. Raises Unauthenticated where that ended.

        What the first request proved stays proved: the key that a token is bound to, and the version of the agreement
        that the token names.
        """
        if actor.is_automatic:
            return actor
        if actor.token_id is not None:
            return self._by_token(actor, actor.token_id)
        if actor.session_id is not None:
            return self._sessions.still(actor.session_id, actor.channel)
        try:
            person = self._kernel.state(PEOPLE, actor.person_id)
        except NotFound:
            raise Unauthenticated("person_unknown", f"{actor.name} is not registered here.") from None
        check_active(person)
        if not person.active:
            raise Unauthenticated("awaiting_approval", f"{person.name} was not let in yet.")
        now = person.actor(actor.channel)
        return now.model_copy(update={"grant_id": actor.grant_id, "agreement_digest": actor.agreement_digest})

    def _by_token(self, actor: Actor, token_id: str) -> Actor:
        try:
            record = self._records.get(token_id)
        except NotFound:
            raise Unauthenticated("token_unknown", "This portal keeps no record of the token.") from None
        now = self._kernel.clock()
        if record.ended_at is None and not record.live_on(now):
            raise Unauthenticated("token_expired", "The access token expired.", hint="Issue a new one.")
        line = self._records.live_line(record, now)
        if actor.token_key is not None and not self._token_keys.trusts(actor.token_key):
            raise Unauthenticated(
                "token_key_withdrawn", "The key that signed the access token is not trusted any more."
            )
        bearer = self._records.bearer(line, actor.agreement_digest)
        return bearer.model_copy(update={"key_thumbprint": actor.key_thumbprint, "token_key": actor.token_key})
