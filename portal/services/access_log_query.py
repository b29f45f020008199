"""Where an access log's entries are in the database, and who sees which of them.

Each kind is a SELECT with the same columns. ``members`` says whether everybody of the institution sees the entry, or
only its leads; both beside coordinators, whom it is about, and whose rights it carries.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final

from agreements.actors import Actor, Role
from portal.services.access_log_views import AccessFilter, AccessKind

_NO_RUN: Final = """NULL::VARCHAR AS checkpoint_id, NULL::VARCHAR AS purpose, NULL::VARCHAR AS operation,
    NULL::BIGINT AS prompt_tokens, NULL::BIGINT AS completion_tokens, NULL::BIGINT AS charged_tokens,
    NULL::VARCHAR AS code"""

_RUNS = """
    SELECT e.position, 'run' AS kind, r.status AS outcome, r.run_id AS object_id, r.person_id, r.institution_id,
        r.grant_id, r.token_id, r.checkpoint_id, r.purpose, r.operation, r.prompt_tokens, r.completion_tokens,
        r.charged_tokens, r.failure_code AS code, NULL::VARCHAR[] AS granted_by, true AS members
    FROM event e JOIN run r ON e.stream = 'run/' || r.run_id
    WHERE e.type = 'run:started'
"""

_TOKENS = """
    SELECT e.position, 'token' AS kind,
        CASE WHEN e.type = 'credential:ended' THEN 'ended' WHEN p.kind = 'refresh_family' THEN 'refreshed'
             WHEN c.parent_id IS NULL THEN 'issued' WHEN len(c.granted_by) > coalesce(len(p.granted_by), 0)
             THEN 'delegated' ELSE 'narrowed' END AS outcome,
        c.credential_id AS object_id, c.person_id, coalesce(g.institution_id, c.institution_id) AS institution_id,
        c.grant_id, c.credential_id AS token_id, NO_RUN, c.granted_by, false AS members
    FROM event e JOIN credential c ON e.stream = 'credential/' || c.credential_id
    LEFT JOIN access_grant g ON g.grant_id = c.grant_id
    LEFT JOIN credential p ON p.credential_id = c.parent_id
    WHERE e.type IN ('credential:issued', 'credential:ended') AND c.kind IN ('access_token', 'refresh_family')
"""

_SIGN_INS = """
    SELECT e.position, 'sign_in' AS kind, CASE WHEN e.type = 'credential:ended' THEN 'ended' ELSE 'opened' END,
        c.credential_id AS object_id, c.person_id,
        CASE WHEN e.position > a.elsewhere_until THEN a.institution_id END AS institution_id,
        NULL::VARCHAR AS grant_id, NULL::VARCHAR AS token_id, NO_RUN, NULL::VARCHAR[] AS granted_by, false AS members
    FROM event e JOIN credential c ON e.stream = 'credential/' || c.credential_id
    LEFT JOIN (
        -- Whoever belongs to one institution alone, and the last entry that named another one for them.
        SELECT m.person_id, m.institution_id,
            coalesce(max(n.position) FILTER (n.institution_id <> m.institution_id), -1) AS elsewhere_until
        FROM (
            SELECT person_id, any_value(institution_id) AS institution_id FROM person_institution
            GROUP BY person_id HAVING count(DISTINCT institution_id) = 1
        ) m LEFT JOIN (
            SELECT substr(stream, 8) AS person_id, position, unnest(list_concat(
                json_extract_string(body, '$.memberships[*].institution_id'),
                [json_extract_string(body, '$.membership.institution_id')]
            )) AS institution_id
            FROM event WHERE type IN (
                'person:registered', 'person:membership_approved', 'person:membership_added',
                'person:membership_removed'
            )
        ) n ON n.person_id = m.person_id
        GROUP BY ALL
    ) a ON a.person_id = c.person_id
    WHERE e.type IN ('credential:issued', 'credential:ended') AND c.kind = 'session'
"""

_GRANTS = """
    SELECT e.position, 'grant' AS kind,
        CASE WHEN e.type = 'grant:issued' AND g.parent_id <> '' THEN 'delegated' ELSE split_part(e.type, ':', 2) END,
        g.grant_id AS object_id, CASE WHEN g.holder_kind = 'institution' THEN NULL ELSE g.holder_id END AS person_id,
        g.institution_id, g.grant_id, NULL::VARCHAR AS token_id, NO_RUN, NULL::VARCHAR[] AS granted_by,
        list_contains(?::VARCHAR[], g.grant_id) AS members
    FROM event e JOIN access_grant g ON e.stream = 'grant/' || g.grant_id
    WHERE e.type IN ('grant:issued', 'grant:narrowed', 'grant:extended', 'grant:suspended',
        'grant:suspension_lifted', 'grant:revoked', 'grant:carried_over')
"""

_AGREEMENTS = """
    SELECT e.position, 'agreement' AS kind, split_part(e.type, ':', 2) AS outcome, a.agreement_id AS object_id,
        NULL::VARCHAR AS person_id, a.institution_id, NULL::VARCHAR AS grant_id, NULL::VARCHAR AS token_id, NO_RUN,
        NULL::VARCHAR[] AS granted_by, true AS members
    FROM event e JOIN agreement a ON e.stream = 'agreement/' || a.agreement_id
    WHERE e.type IN ('agreement:entered_into_force', 'agreement:suspended', 'agreement:suspension_lifted',
        'agreement:narrowed', 'agreement:widened', 'agreement:ended')
    -- What never was in force opened nothing, and a draft is the lab's alone.
    AND EXISTS (
        SELECT 1 FROM event f WHERE f.stream = e.stream AND f.type = 'agreement:entered_into_force'
        AND f.position <= e.position
    )
"""

_PROGRAMS = """
    SELECT e.position, 'program' AS kind, split_part(e.type, ':', 2) AS outcome, p.program_id AS object_id,
        p.program_id AS person_id, p.institution_id, NULL::VARCHAR AS grant_id, NULL::VARCHAR AS token_id, NO_RUN,
        NULL::VARCHAR[] AS granted_by, true AS members
    FROM event e JOIN program p ON e.stream = 'program/' || p.program_id
    WHERE e.type IN ('program:registered', 'program:keys_replaced', 'program:suspended', 'program:resumed',
        'program:ended')
"""

_REQUESTS = """
    SELECT e.position, 'access_request' AS kind, split_part(e.type, ':', 2) AS outcome, r.request_id AS object_id,
        r.requester_id AS person_id, r.institution_id,
        CASE WHEN e.type = 'access_request:granted' THEN coalesce(
            nullif(json_extract_string(e.body, '$.granted.delegated_id'), ''),
            json_extract_string(e.body, '$.granted.grant_id')
        ) END AS grant_id, NULL::VARCHAR AS token_id, NO_RUN, NULL::VARCHAR[] AS granted_by, ?::BOOLEAN AS members
    FROM event e JOIN access_request r ON e.stream = 'access_request/' || r.request_id
    WHERE e.type IN ('access_request:submitted', 'access_request:alternative_offered',
        'access_request:alternative_accepted', 'access_request:alternative_declined', 'access_request:approved',
        'access_request:granted', 'access_request:refused', 'access_request:withdrawn', 'access_request:lapsed')
    -- A draft that was never submitted is its author's alone.
    AND r.submitted_at <> ''
"""

_KEPT = """
    SELECT e.position, 'kept' AS kind, split_part(e.type, ':', 2) AS outcome, k.run_id AS object_id, k.person_id,
        k.institution_id, k.grant_id, NULL::VARCHAR AS token_id, NO_RUN, NULL::VARCHAR[] AS granted_by, false AS members
    FROM event e JOIN kept_text k ON e.stream = 'kept/' || k.run_id
    WHERE e.type IN ('kept:read', 'kept:destroyed')
"""

_SELECTS: Final = {
    AccessKind.RUN: _RUNS,
    AccessKind.TOKEN: _TOKENS,
    AccessKind.SIGN_IN: _SIGN_INS,
    AccessKind.GRANT: _GRANTS,
    AccessKind.AGREEMENT: _AGREEMENTS,
    AccessKind.PROGRAM: _PROGRAMS,
    AccessKind.REQUEST: _REQUESTS,
    AccessKind.KEPT: _KEPT,
}

_FILTERS: Final = {
    "institution": "t.institution_id = ?",
    "checkpoint": "t.checkpoint_id = ?",
    "grant": "t.grant_id = ?",
    "purpose": "t.purpose = ?",
    "outcome": "t.outcome = ?",
    "code": "t.code = ?",
}


def entries_query(
    actor: Actor, grants: Sequence[str], where: AccessFilter, *, before: int, limit: int, at: int | None = None
) -> tuple[str, list[object]]:
    """The newest entries from before a position that the actor may see and asks for, and the statement's parameters.

    ``grants``: those of which the actor, who need not be a lead, sees what happens to them. ``at`` asks for one entry.
    """
    kinds = (where.kind,) if where.kind is not None else tuple(AccessKind)
    asks: dict[AccessKind, object] = {AccessKind.GRANT: list(grants), AccessKind.REQUEST: not actor.program}
    # Each kind is one SELECT of the union, in this order, and some ask for who is reading.
    params = [asks[kind] for kind in kinds if kind in asks]
    led = [one.institution_id for one in actor.memberships if one.role is Role.PARTNER_LEAD]
    conditions = [
        """(? OR t.person_id = ? OR list_contains(coalesce(t.granted_by, []), ?)
            OR list_contains(?::VARCHAR[], t.institution_id)
            OR (t.members AND list_contains(?::VARCHAR[], t.institution_id)))""",
        "t.position < ?",
    ]
    params += [actor.is_coordinator, actor.person_id, actor.person_id, led, list(actor.institution_ids), before]
    asked = where.model_dump(mode="json", exclude_none=True)
    for name, condition in _FILTERS.items():
        if name in asked:
            conditions.append(condition)
            params.append(asked[name])
    if where.person is not None:
        conditions.append("(t.person_id = ? OR e.actor_id = ?)")
        params += [where.person, where.person]
    if where.since is not None:
        conditions.append("e.recorded_at >= ?")
        params.append(datetime.combine(where.since, time()))
    if where.until is not None:
        conditions.append("e.recorded_at < ?")
        params.append(datetime.combine(where.until + timedelta(days=1), time()))
    if at is not None:
        conditions.append("t.position = ?")
        params.append(at)
    union = " UNION ALL ".join(_SELECTS[kind].replace("NO_RUN", _NO_RUN) for kind in kinds)
    columns = (
        "position, kind, outcome, object_id, person_id, institution_id, grant_id, token_id, checkpoint_id, purpose,"
        " operation, prompt_tokens, completion_tokens, charged_tokens, code, granted_by, members"
    )
    statement = f"""
        WITH t({columns}) AS ({union})
        SELECT t.*, e.actor_id, e.recorded_at, e.leaf_hash, e.type,
            CASE WHEN t.kind = 'run' THEN '{{}}' ELSE e.body END AS body
        FROM t JOIN event e ON e.position = t.position
        WHERE {" AND ".join(conditions)}
        ORDER BY t.position DESC LIMIT ?
    """  # noqa: S608 - constants, and placeholders for everything that is asked
    return statement, [*params, limit]


def as_utc(moment: datetime) -> datetime:
    """A moment as DuckDB keeps it, with its zone."""
    return moment.replace(tzinfo=UTC)
