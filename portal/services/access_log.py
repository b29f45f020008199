"""A partner's own log of every access to what it was granted, and of what happened to its access.

Built from the events themselves: each entry names its leaf of the transparency log, so that whoever reads it can check
it against a head that they trust. Who sees which entries is in ADR 0036; a request that was refused before it became a
run left no event, and none is here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from agreements.actors import Actor
from agreements.agreement import Agreement
from agreements.credentials import CredentialKind
from agreements.deciders import Event
from agreements.errors import Forbidden, Invalid, NotFound
from agreements.inclusion import InclusionEvidence
from model_access.kept_texts import How
from portal.services.access_log_query import as_utc, entries_query
from portal.services.access_log_views import AccessEntry, AccessFilter, AccessKind, AccessPage, Outcome
from portal.services.aggregates import AGREEMENTS, CREDENTIALS
from portal.services.agreement_timeline import told
from portal.services.grants import GrantService
from portal.services.kernel import Kernel
from portal.services.sessions import handle_of
from portal.standing import is_active
from portal.store.leaves import read_body

PAGE: Final = 50
MOST: Final = 500
_AT_ONCE = 1000
TOKEN_PREFIX_CHARS: Final = 10
"""Of a token's ``jti``: enough to find it in a list, and no name to end it by."""

_CATEGORIES = frozenset(
    {
        *(AccessKind.RUN, AccessKind.GRANT, AccessKind.AGREEMENT, AccessKind.PROGRAM),
        *(AccessKind.REQUEST, AccessKind.KEPT),
    }
)
"""Kinds that are called as the streams of their objects are."""

_YEARS = range(2000, 9001)

_RUN_SAYS: Final = {
    Outcome.STARTED: "A run is under way.",
    Outcome.COMPLETED: "A run was made.",
    Outcome.FAILED: "A run failed.",
}
_RUN_ENDS: Final = {
    "access_withdrawn": "A run was stopped: access was withdrawn while it ran.",
    "cancelled": "A run was stopped by whoever made it.",
}
"""Codes with which a run ends that was no failure of the portal's."""
_TOKEN_SAYS: Final = {
    Outcome.ISSUED: "An access token was issued.",
    Outcome.NARROWED: "A token was made from another one, and opens no more.",
    Outcome.DELEGATED: "A token was made from another one and passed on.",
    Outcome.REFRESHED: "A fresh token was given in a line that is kept fresh.",
    Outcome.ENDED: "A token was ended.",
}
_GRANT_SAYS: Final = {
    Outcome.ISSUED: "A grant was issued.",
    Outcome.DELEGATED: "A part of a grant was passed on.",
    Outcome.NARROWED: "A grant was narrowed.",
    Outcome.EXTENDED: "A grant was extended.",
    Outcome.SUSPENDED: "A grant was suspended.",
    Outcome.SUSPENSION_LIFTED: "The suspension of a grant was lifted.",
    Outcome.REVOKED: "A grant was revoked.",
    Outcome.CARRIED_OVER: "A grant goes on under a new version of the agreement.",
}
_PROGRAM_SAYS: Final = {
    Outcome.REGISTERED: "A program was registered.",
    Outcome.KEYS_REPLACED: "The keys of a program were replaced.",
    Outcome.SUSPENDED: "A program was suspended.",
    Outcome.RESUMED: "A program was let in again.",
    Outcome.ENDED: "A program was ended.",
}
_REQUEST_SAYS: Final = {
    Outcome.SUBMITTED: "Access was asked for.",
    Outcome.ALTERNATIVE_OFFERED: "An alternative to what was asked for was offered.",
    Outcome.ALTERNATIVE_ACCEPTED: "The alternative was accepted.",
    Outcome.ALTERNATIVE_DECLINED: "The alternative was declined.",
    Outcome.APPROVED: "A coordinator approved what was asked for.",
    Outcome.GRANTED: "What was asked for was granted.",
    Outcome.REFUSED: "What was asked for was refused.",
    Outcome.WITHDRAWN: "The request was withdrawn.",
    Outcome.LAPSED: "The request lapsed.",
}
_SIGN_IN_SAYS: Final = {Outcome.OPENED: "Signed in.", Outcome.ENDED: "A session ended."}
_READ_SAYS: Final = {
    How.SHOWN: "Prompt and answer of a run were read.",
    How.EXPORTED: "Prompt and answer of a run were taken away as a file.",
    How.REPLAYED: "Prompt and answer of a run were taken to replay it.",
}
_METHODS: Final = {
    "link": "by a sign-in link",
    "provider": "through the institution's identity provider",
    "invitation": "by accepting an invitation",
    "demo": "at the demonstration's door",
}


class AccessLog:
    """Reads the log."""

    def __init__(self, kernel: Kernel, grants: GrantService) -> None:
        self._kernel = kernel
        self._grants = grants

    def page(
        self, actor: Actor, where: AccessFilter | None = None, *, cursor: str | None = None, limit: int = PAGE
    ) -> AccessPage:
        """The newest entries that the actor may see, or those that follow a cursor.

        Raises Invalid ``bad_cursor``, ``bad_date`` or ``range_reversed``.
        """
        where = _checked(where or AccessFilter())
        limit = max(1, min(limit, MOST))
        entries = self._entries(actor, where, before=self._position(cursor), limit=limit + 1)
        more = len(entries) > limit
        shown = entries[:limit]
        return AccessPage(entries=shown, next=str(shown[-1].leaf) if more else None)

    def all(self, actor: Actor, where: AccessFilter | None = None) -> Iterator[AccessEntry]:
        """Every entry, the newest first, as the log stands now: what is added meanwhile is left out."""
        where = _checked(where or AccessFilter())
        before = self._kernel.store.log.size
        while entries := self._entries(actor, where, before=before, limit=_AT_ONCE):
            yield from entries
            before = entries[-1].leaf

    def evidence(self, actor: Actor, leaf: int) -> InclusionEvidence:
        """Proof that an entry's leaf is in the log, with the logged event itself; also for the leaf a run ended with.

        Raises NotFound for what the actor may not see, Forbidden ``leaf_only`` for sign-ins, whose events name what
        opened the session: their hash is in the list.
        """
        missing = NotFound("no_such_entry", f"There is no entry {leaf} that you may see.")
        if not 0 <= leaf < self._kernel.store.log.size:
            raise missing
        recorded = self._kernel.store.events(after=leaf - 1, limit=1)[0]
        begun = leaf
        if recorded.stream.startswith("run/"):
            begun = self._kernel.store.events(recorded.stream, limit=1)[0].position
        kind = self._kind(recorded.stream)
        if kind is None:
            raise missing
        found = self._entries(actor, AccessFilter(kind=kind), before=begun + 1, limit=1, at=begun)
        if not found or leaf not in (found[0].leaf, found[0].ended_leaf):
            raise missing
        if kind is AccessKind.SIGN_IN:
            raise Forbidden(
                "leaf_only",
                "The logged event of a sign-in is not handed out.",
                hint="Compare the leaf's hash, which is in the list, with the public log at /log/tile.",
            )
        return self._kernel.store.log.evidence(leaf)

    # ---- how -------------------------------------------------------------------------------------------------------

    def _entries(
        self, actor: Actor, where: AccessFilter, *, before: int, limit: int, at: int | None = None
    ) -> tuple[AccessEntry, ...]:
        if not is_active(actor):
            return ()
        grants = () if actor.is_coordinator else self._grants.seen_ids(actor)
        statement, params = entries_query(actor, grants, where, before=before, limit=limit, at=at)
        rows = self._kernel.store.query(statement, params)
        known = _Known(self._kernel, rows)
        labels = self._grants.labels(actor, sorted({row["grant_id"] for row in rows if row["grant_id"]}))
        return tuple(self._entry(row, known, labels) for row in rows)

    def _entry(self, row: Mapping[str, Any], known: "_Known", labels: Mapping[str, str]) -> AccessEntry:
        kind, outcome, body = AccessKind(row["kind"]), Outcome(row["outcome"]), read_body(row["body"])
        says, reason = _SAYS[kind](outcome, body, row, self._agreement)
        object_id = str(row["object_id"])
        if kind is AccessKind.SIGN_IN:
            object_id = handle_of(object_id)
        token = str(row["token_id"] or "")[:TOKEN_PREFIX_CHARS]
        return AccessEntry(
            leaf=row["position"],
            leaf_hash=row["leaf_hash"].hex(),
            ended_leaf=known.ended.get(object_id) if kind is AccessKind.RUN else None,
            at=as_utc(row["recorded_at"]),
            kind=kind,
            outcome=outcome,
            says=says,
            reason=reason,
            object_id=token if kind is AccessKind.TOKEN else object_id,
            person_id=row["person_id"] or "",
            person_name=known.name(row["person_id"]),
            by_id=row["actor_id"],
            by_name=known.name(row["actor_id"]),
            on_behalf_of=tuple(known.name(one) for one in known.rights(row)),
            institution_id=row["institution_id"] or "",
            institution_name=known.name(row["institution_id"]),
            token=token,
            grant_id=row["grant_id"] or "",
            grant_label=labels.get(row["grant_id"], ""),
            checkpoint_id=row["checkpoint_id"] or "",
            purpose=row["purpose"] or "",
            operation=row["operation"] or "",
            prompt_tokens=row["prompt_tokens"],
            completion_tokens=row["completion_tokens"],
            charged_tokens=row["charged_tokens"],
            receipt=kind is AccessKind.RUN and outcome is Outcome.COMPLETED,
        )

    def _kind(self, stream: str) -> AccessKind | None:
        """What an entry about the object of a stream is about."""
        category, _, object_id = stream.partition("/")
        if category != "credential":
            return AccessKind(category) if category in _CATEGORIES else None
        kind = self._kernel.state(CREDENTIALS, object_id).kind
        return AccessKind.SIGN_IN if kind is CredentialKind.SESSION else AccessKind.TOKEN

    def _agreement(self, agreement_id: str) -> Agreement:
        return self._kernel.state(AGREEMENTS, agreement_id)

    def _position(self, cursor: str | None) -> int:
        if cursor is None:
            return self._kernel.store.log.size
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
            raise Invalid(
                "bad_cursor",
                "The cursor is not one this portal gave out.",
                hint="Start again without it.",
                param="cursor",
            )
        return int(cursor)


class _Known:
    """What the rows of one page refer to: names, the chains of tokens, and the leaves with which runs ended."""

    def __init__(self, kernel: Kernel, rows: Sequence[Mapping[str, Any]]) -> None:
        query = kernel.store.query
        runs = [f"run/{row['object_id']}" for row in rows if row["kind"] == AccessKind.RUN]
        self.ended: dict[str, int] = {
            row["stream"].removeprefix("run/"): row["position"]
            for row in query(
                """
                SELECT stream, position FROM event
                WHERE type IN ('run:completed', 'run:failed') AND list_contains(?::VARCHAR[], stream)
                """,
                [runs],
            )
        }
        tokens = sorted({row["token_id"] for row in rows if row["token_id"]})
        self._rights: dict[str, list[str]] = {
            row["credential_id"]: row["granted_by"] or []
            for row in query(
                "SELECT credential_id, granted_by FROM credential WHERE list_contains(?::VARCHAR[], credential_id)",
                [tokens],
            )
        }
        ids = {row[name] for row in rows for name in ("person_id", "actor_id", "institution_id") if row[name]}
        ids |= {one for chain in self._rights.values() for one in chain}
        self._names: dict[str, str] = {
            row["id"]: row["name"]
            for row in query(
                """
                SELECT id, name FROM (
                    SELECT person_id AS id, name FROM person UNION ALL SELECT program_id, name FROM program
                    UNION ALL SELECT institution_id, name FROM institution
                ) WHERE list_contains(?::VARCHAR[], id)
                """,
                [sorted(ids)],
            )
        }

    def name(self, someone: str | None) -> str:
        """How somebody is called; a rule that acts by itself goes by its own name."""
        return self._names.get(someone, someone.removeprefix("auto:")) if someone else ""

    def rights(self, row: Mapping[str, Any]) -> Sequence[str]:
        """Whose rights the token of a row carries on."""
        return self._rights.get(row["token_id"], ()) if row["token_id"] else ()


_Tell = Callable[[Outcome, Mapping[str, Any], Mapping[str, Any], Callable[[str], Agreement]], tuple[str, str]]


def _reason(body: Mapping[str, Any]) -> str:
    above = f" (because of {body['ancestor_id']} above)" if body.get("ancestor_id") else ""
    return f"{body.get('reason') or ''}{above}".strip()


def _said(body: Mapping[str, Any]) -> str:
    """What was said to an access request, in whichever way."""
    words = (body.get(name) for name in ("word", "offer", "approval"))
    return next((str(one["text"]) for one in words if isinstance(one, Mapping)), "")


def _told_agreement(
    _outcome: Outcome, body: Mapping[str, Any], row: Mapping[str, Any], agreement: Callable[[str], Agreement]
) -> tuple[str, str]:
    return told(Event.parse(row["type"], dict(body)), agreement(row["object_id"]))


def _told_sign_in(
    outcome: Outcome, body: Mapping[str, Any], _row: Mapping[str, Any], _agreement: Callable[[str], Agreement]
) -> tuple[str, str]:
    how = _METHODS.get(str(body.get("method") or ""))
    return (f"Signed in {how}." if how else _SIGN_IN_SAYS[outcome]), _reason(body)


_SAYS: Final[Mapping[AccessKind, _Tell]] = {
    AccessKind.RUN: lambda outcome, _body, row, _: (
        _RUN_ENDS.get(row["code"] or "", _RUN_SAYS[outcome]),
        row["code"] or "",
    ),
    AccessKind.TOKEN: lambda outcome, body, _row, _: (_TOKEN_SAYS[outcome], _reason(body)),
    AccessKind.SIGN_IN: _told_sign_in,
    AccessKind.GRANT: lambda outcome, body, _row, _: (_GRANT_SAYS[outcome], _reason(body)),
    AccessKind.AGREEMENT: _told_agreement,
    AccessKind.PROGRAM: lambda outcome, body, _row, _: (_PROGRAM_SAYS[outcome], _reason(body)),
    AccessKind.REQUEST: lambda outcome, body, _row, _: (_REQUEST_SAYS[outcome], _said(body)),
    AccessKind.KEPT: lambda outcome, body, _row, _: (
        ("Prompt and answer of a run were destroyed.", str(body["because"]))
        if outcome is Outcome.DESTROYED
        else (_READ_SAYS[How(body["how"])], "")
    ),
}


def _checked(where: AccessFilter) -> AccessFilter:
    for name, day in (("from", where.since), ("to", where.until)):
        if day is not None and day.year not in _YEARS:
            raise Invalid("bad_date", f"{day} is no date of this portal.", hint="Use YYYY-MM-DD.", param=name)
    if where.since and where.until and where.since > where.until:
        raise Invalid(
            "range_reversed",
            f"The range begins on {where.since}, after it ends on {where.until}.",
            hint="Swap the two days.",
            param="from",
        )
    return where
